"""BiLSTM-CRF named entity recognition for spaCy: accurate, fast, with exact probabilities."""

from importlib.metadata import version

from .calibration import Calibration
from .decoding import Entity, Prediction
from .models import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed
from .pipeline import BiLSTMCRFEntityRecognizer, BiLSTMCRFSpanRecognizer, register_confidence
from .potentials import Potentials
from .training import SGDMomentum

__version__ = version("spacy-bilstm-crf")

__all__ = [
    "BiLSTMCRF",
    "BiLSTMCRFEntityRecognizer",
    "BiLSTMCRFSpanRecognizer",
    "Calibration",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Entity",
    "Potentials",
    "Prediction",
    "SGDMomentum",
    "register_confidence",
]
