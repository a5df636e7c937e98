"""Pictures read from files, their ink found, and brought to the form of training images."""
