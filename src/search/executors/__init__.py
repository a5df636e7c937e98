"""Where workers run; one file each."""
