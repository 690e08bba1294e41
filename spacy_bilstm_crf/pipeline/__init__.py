"""The component, as spaCy knows it."""

from .ner import BiLSTMCRFEntityRecognizer

__all__ = ["BiLSTMCRFEntityRecognizer"]
