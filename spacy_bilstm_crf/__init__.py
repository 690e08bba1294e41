"""BiLSTM-CRF named entity recognition for spaCy."""

from importlib.metadata import version

from .decoding.decode import Prediction
from .decoding.entities import Entity
from .models import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed
from .pipeline import BiLSTMCRFEntityRecognizer, span_scores
from .potentials import Potentials
from .training.calibration import Calibration
from .training.optimizers import SGDMomentum

__version__ = version("spacy-bilstm-crf")

span_scores.register()

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
]
