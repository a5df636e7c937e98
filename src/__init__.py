"""Train handwritten-digit classifiers, search their hyperparameters, compare every run."""

from src.process.environment import set_defaults

# Threads that wait for each other sleep after some microseconds instead of spinning: as fast on an
# idle machine, and many times faster where another training wants the same cores. Read by OpenMP
# when torch is loaded.
set_defaults({"GOMP_SPINCOUNT": "10000"})
