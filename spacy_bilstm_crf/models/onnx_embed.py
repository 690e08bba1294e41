"""The exported embedding: tables as NumPy arrays, and an ONNX graph that reads characters."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from .char_embed import check_vocab
from .characters import characters_of
from .onnx import Graph, State, exported_layer, network_of
from .settings import Trained
from .span_features import check_keys
from .token_attributes import CASING, check_attributes
from .word_features import form_of, pretrained_vector
from .word_vectors import EmbedSettings, WordCache, embedded

EXPORTED_EMBED = "onnx_embed"  # name of the layer


class ExportedEmbedding:
    """What an exported embedding knows.

    Args:
        settings: How tokens are read.
        state: By name: `words`, the forms of the known words; `vectors`, theirs, [n_words, width];
            `unknown`, the vector of all other words, [width]; `characters`, a graph from
            characters to vectors; `attributes`, a table for each attribute; `spans`, a table of the
            features of spans, or None.
    """

    def __init__(self, settings: EmbedSettings, state: State):
        self.settings = settings
        self.row_of = {form: row for row, form in enumerate(state["words"])}
        self.vectors: np.ndarray = state["vectors"]
        self.unknown = np.asarray(state["unknown"], dtype=np.float32)
        self.characters = Graph(state["characters"])
        self.attributes: list[np.ndarray] = [
            np.asarray(table, dtype=np.float32) for table in state["attributes"]
        ]
        spans = state["spans"]
        self.spans: np.ndarray | None = None
        if spans is not None:
            self.spans = np.asarray(spans, dtype=np.float32)
        self.n_of_word: int = len(self.unknown) + self.characters.n_outputs
        self.cache = WordCache()

    def __call__(self, docs: list[Doc]) -> list[Floats2d]:
        """Compute the vectors of docs' tokens."""
        return embedded(self, self.settings, self.cache, None, docs)

    def vectors_of_words(self, vocab: Vocab, texts: list[str]) -> np.ndarray:
        """Compute the vectors of words and of their characters, float32 [n_words, n_of_word]."""
        words = np.empty((len(texts), len(self.unknown)), dtype=np.float32)
        for vector, text in zip(words, texts):
            form = form_of(text, self.settings.lower, self.settings.zero_digits)
            row = self.row_of.get(form)
            if row is None:
                pretrained = pretrained_vector(vocab, text, form)
                vector[...] = self.unknown if pretrained is None else pretrained
            else:
                vector[...] = self.vectors[row]
        characters = [characters_of(text, self.settings.max_chars) for text in texts]
        lengths = np.array([len(word) for word in characters], dtype=np.int32)
        padded = np.zeros((len(texts), lengths.max()), dtype=np.int64)
        for ids, word in zip(padded, characters):
            ids[: len(word)] = word
        return np.concatenate([words, self.characters(characters=padded, lengths=lengths)], axis=1)


def ONNXEmbed(
    lower: bool = True,
    zero_digits: bool = True,
    casing: bool = True,
    attrs: Sequence[str] = (),
    max_chars: int = 40,
    span_features: Sequence[str] = (),
) -> Model[list[Doc], list[Floats2d]]:
    """Exported `spacy-bilstm-crf.CharCNNEmbed.v1` or `spacy-bilstm-crf.CharBiLSTMEmbed.v1`.

    Args:
        lower: Look words up in lower case, as in training.
        zero_digits: Read all digits as 0, as in training.
        casing: Embed how a word is capitalized, as in training.
        attrs: Further token attributes to embed, as in training.
        max_chars: Maximum number of characters read per word; a longer word loses its middle.
        span_features: Keys of `doc.spans` that an earlier component sets.

    Returns:
        The layer: for each doc, float32 [n_tokens, width of all vectors together].
    """
    check_attributes(attrs)
    check_keys(span_features)
    all_attrs = [*([CASING] if casing else []), *attrs]
    settings = EmbedSettings(lower, zero_digits, all_attrs, max_chars, list(span_features))
    model = exported_layer(EXPORTED_EMBED, partial(ExportedEmbedding, settings), _predict)
    model.attrs["reads_spans"] = bool(span_features)
    model.attrs["vectors_width"] = 0  # width of the pipeline's vectors in training
    trained = {"lower": lower, "zero_digits": zero_digits, "casing": casing, "attrs": list(attrs)}
    trained["n_span_features"] = len(span_features)  # but not on their keys
    model.attrs.update({key: Trained(value) for key, value in trained.items()})
    return model


def _predict(model: Model, docs: list[Doc]) -> list[Floats2d]:
    embedding = network_of(model)
    check_vocab(model, embedding.settings.attrs, docs)
    return embedding(docs)
