"""Searches hyperparameters: one driver owns the study, workers train what it hands them."""
