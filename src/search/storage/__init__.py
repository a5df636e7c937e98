"""Where the studies of searches are kept."""
