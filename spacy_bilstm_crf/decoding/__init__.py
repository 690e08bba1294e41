"""Potentials and constraints -> entities and their probabilities."""
