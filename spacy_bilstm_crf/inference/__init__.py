"""Texts to entities: the annotator, and what runs it over many documents or as a service."""
