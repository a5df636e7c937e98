"""Intervals, differences and scores: numpy and scipy only."""
