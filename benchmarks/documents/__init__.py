"""Whole documents against sentences."""
