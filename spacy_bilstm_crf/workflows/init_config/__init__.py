"""A training config that fits the data."""
