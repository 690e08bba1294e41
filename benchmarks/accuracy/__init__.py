"""Scores of whole data sets, beside those of spaCy's own recogniser."""
