"""Docs -> potentials: the registered layers, as Thinc models around torch networks."""

from ..potentials import Potentials
from .bilstm_crf import BiLSTMCRF, check_architecture, check_tags, torch_device
from .char_embed import CharBiLSTMEmbed, CharCNNEmbed

__all__ = [
    "BiLSTMCRF",
    "CharBiLSTMEmbed",
    "CharCNNEmbed",
    "Potentials",
    "check_architecture",
    "check_tags",
    "torch_device",
]
