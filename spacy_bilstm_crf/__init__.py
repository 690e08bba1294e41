"""BiLSTM-CRF named entity recognition for spaCy."""

from . import confidence
from .embed import CharBiLSTMEmbed, CharCNNEmbed
from .model import BiLSTMCRF, Potentials
from .optimizer import SGDMomentum
from .pipeline import BiLSTMCRFEntityRecognizer

confidence.register()

__all__ = [
    "BiLSTMCRF",
    "BiLSTMCRFEntityRecognizer",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Potentials",
    "SGDMomentum",
]
