"""BiLSTM-CRF named entity recognition for spaCy."""

from .embed import CharBiLSTMEmbed, CharCNNEmbed
from .model import BiLSTMCRF, Potentials
from .optimizer import SGDMomentum
from .pipeline import BiLSTMCRFEntityRecognizer

__all__ = [
    "BiLSTMCRF",
    "BiLSTMCRFEntityRecognizer",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Potentials",
    "SGDMomentum",
]
