"""Train handwritten-digit classifiers, search their hyperparameters, compare every run."""
