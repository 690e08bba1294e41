"""BiLSTM-CRF named entity recognition for spaCy."""

from .models import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed
from .pipeline import BiLSTMCRFEntityRecognizer, span_scores
from .potentials import Potentials
from .training.optimizers import SGDMomentum

span_scores.register()

__all__ = [
    "BiLSTMCRF",
    "BiLSTMCRFEntityRecognizer",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Potentials",
    "SGDMomentum",
]
