"""The network of the embedding layers, with what it knows about words: needs torch."""

from typing import Any, cast

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats2d

from .pytorch.word_embedding import SpanFeatures, WordEmbedding
from .span_features import N_ROWS
from .token_attributes import count_rows
from .word_features import WordCounts, form_of, inputs_of_words
from .word_vectors import EmbedSettings, WordCache, embedded


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
        self.cache = WordCache()
        self.watched: tuple[Any, list[torch.nn.Parameter]] = (None, [])

    def predict(self, counts: WordCounts, docs: list[Doc], n_changes: int) -> list[Floats2d]:
        """Compute the vectors of docs' tokens on the CPU, and each word's only once.

        Args:
            counts: Words that have a row in the table.
            docs: The docs.
            n_changes: How often the layer has changed the parameters.

        Returns:
            For each doc, float32 [n_tokens, n_outputs].
        """
        names = EmbedSettings._fields
        settings = EmbedSettings(**{name: self.settings[name] for name in names})
        version = (len(counts.words), *self._values_now(n_changes))  # new words get a vector
        with torch.no_grad():
            return embedded(_Arrays(self, counts), settings, self.cache, version, docs)

    def _values_now(self, n_changes: int) -> tuple:
        """Return what tells the present values of the parameters from earlier ones.

        torch counts the changes of a tensor in place, but not those through NumPy's arrays.
        """
        if self.watched[0] != n_changes:
            self.watched = (n_changes, list(self.parameters()))  # slow
        return n_changes, [(each.data_ptr(), each._version) for each in self.watched[1]]


class _Arrays:
    """The network as NumPy arrays, for prediction."""

    def __init__(self, network: CharWordEmbedding, counts: WordCounts):
        self.network, self.counts = network, counts
        tables = cast("list[torch.nn.Embedding]", network.attributes)
        self.attributes: list[np.ndarray] = [table.weight.numpy() for table in tables]
        spans = network.spans
        self.spans: np.ndarray | None = None if spans is None else spans.table.weight.numpy()
        self.n_of_word = network.word_width + network.characters.n_outputs

    def vectors_of_words(self, vocab: Vocab, texts: list[str]) -> np.ndarray:
        """Compute the vectors of words and of their characters, float32 [n_words, n_of_word]."""
        settings = self.network.settings
        forms = [form_of(text, settings["lower"], settings["zero_digits"]) for text in texts]
        inputs = inputs_of_words(self.network, self.counts, vocab, texts, forms)
        return self.network.of_words(*inputs).numpy()
