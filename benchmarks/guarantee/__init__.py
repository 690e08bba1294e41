"""Candidates that miss at most so many entities."""
