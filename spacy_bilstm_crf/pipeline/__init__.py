"""The pipeline components."""

from .confidence import register_confidence
from .ner import BiLSTMCRFEntityRecognizer

__all__ = ["BiLSTMCRFEntityRecognizer", "register_confidence"]
