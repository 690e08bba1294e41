"""Measurements. Each module is a study: it writes JSON files, and makes its tables from them."""
