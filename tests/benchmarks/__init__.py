"""Speed as ratios to named references in the same run; `make bench`."""
