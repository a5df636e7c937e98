"""The command line: into a verb through Hydra, out of it with words and an exit code."""
