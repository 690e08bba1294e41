"""The network of the embedding layers, with what it knows about words: needs torch."""

from typing import Any

import torch

from .pytorch.word_embedding import SpanFeatures, WordEmbedding
from .span_features import N_ROWS
from .token_attributes import count_rows


class UninitializedEmbedding(torch.nn.Module):
    """A placeholder until the width of the word vectors is known."""

    def __init__(self, settings: dict[str, Any]):
        super().__init__()
        self.settings = settings


class CharWordEmbedding(WordEmbedding):
    """The network with its settings and its index of known words."""

    def __init__(self, settings: dict[str, Any], word_width: int, n_blocks: int):
        characters = settings["encoder"]()
        rows = [count_rows(attr) for attr in settings["attrs"]]
        n_keys, spans = len(settings["span_features"]), None
        if n_keys:
            spans = SpanFeatures(n_keys, N_ROWS, settings["span_width"])
        super().__init__(word_width, characters, rows, settings["attr_width"], spans, n_blocks)
        self.settings = settings
        # Derived from the model's `WordCounts`, and updated when these grow
        self.row_of: dict[str, int] = {}
        self.counted_docs: set[int] = set()
