"""Scores by the amount of training data."""
