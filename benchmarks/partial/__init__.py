"""Scores of training on data in which entities are not annotated."""
