"""The component, as spaCy knows it."""

from ..models.word_features import form_of, pretrained_vector
from .confidence import register_confidence
from .ner import BiLSTMCRFEntityRecognizer

__all__ = ["BiLSTMCRFEntityRecognizer", "form_of", "pretrained_vector", "register_confidence"]
