"""The pipeline components."""

from ..models.word_features import form_of, pretrained_vector
from .confidence import register_confidence
from .ner import BiLSTMCRFEntityRecognizer
from .spans import BiLSTMCRFSpanRecognizer
