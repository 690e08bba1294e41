"""The component, as spaCy knows it."""

from .ner import BiLSTMCRFEntityRecognizer
from .span_scores import register_confidence

__all__ = ["BiLSTMCRFEntityRecognizer", "register_confidence"]
