"""Docs -> potentials: the registered layers, as Thinc models around torch networks."""

from .bilstm_crf import BiLSTMCRF
from .char_embed import CharBiLSTMEmbed, CharCNNEmbed

__all__ = ["BiLSTMCRF", "CharBiLSTMEmbed", "CharCNNEmbed"]
