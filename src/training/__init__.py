"""One training, start to end: the only training path."""
