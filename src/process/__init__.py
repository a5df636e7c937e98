"""This process: signals, processor cores, garbage collection."""
