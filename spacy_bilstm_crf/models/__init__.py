"""From docs to potentials: the registered layers, as Thinc models around torch networks."""

from .bilstm_crf import BiLSTMCRF, check_architecture, check_tags
from .char_embed import CharBiLSTMEmbed, CharCNNEmbed
from .document_context import DocumentContext
from .encoder import BiLSTMEncoder
from .ensemble import Ensemble
from .export import docs_of_known_words, export_model
from .known_words import count_unknown_words
from .onnx import ONNXBiLSTMCRF, ONNXEncoder
from .onnx_embed import ONNXEmbed
from .onnx_graphs import Precision
from .pretraining import NextAndPreviousWord
from .retaining import RetainingOptimizer
