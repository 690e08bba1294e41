"""BiLSTM-CRF named entity recognition for spaCy."""

from .model import BiLSTMCRF, Potentials
from .pipeline import BiLSTMCRFEntityRecognizer

__all__ = ["BiLSTMCRF", "BiLSTMCRFEntityRecognizer", "Potentials"]
