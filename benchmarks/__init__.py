"""Measurements. Their results are JSON files, from which `tables.py` makes the tables."""
