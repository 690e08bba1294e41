"""`annotate` against plain loops and `spacy apply`."""
