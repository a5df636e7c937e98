"""Names of metrics and images that a run logs by step."""

CURVE = "all epochs/"
"""Begins them all: the UI shows groups in the alphabet's order, and this one is to stand before the
values of the `best` epoch."""

WEIGHTS, CONFUSION = f"{CURVE}weights by minibatch", f"{CURVE}confusion by epoch"
"""Series of pictures; their last word is what the UI's slider counts."""
