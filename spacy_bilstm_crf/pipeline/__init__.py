"""The component, as spaCy knows it."""

from .confidence import register_confidence
from .ner import BiLSTMCRFEntityRecognizer

__all__ = ["BiLSTMCRFEntityRecognizer", "register_confidence"]
