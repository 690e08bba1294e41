"""BiLSTM-CRF named entity recognition for spaCy."""

from importlib.metadata import version

from .decoding import Entity, Prediction
from .models import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed
from .pipeline import BiLSTMCRFEntityRecognizer, register_confidence
from .potentials import Potentials
from .training import Calibration, SGDMomentum

__version__ = version("spacy-bilstm-crf")

__all__ = [
    "BiLSTMCRF",
    "BiLSTMCRFEntityRecognizer",
    "Calibration",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Entity",
    "Potentials",
    "Prediction",
    "SGDMomentum",
    "register_confidence",
]
