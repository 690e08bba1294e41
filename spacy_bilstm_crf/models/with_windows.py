"""Prediction in windows: memory does not grow with the size of a batch or the length of a doc."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import forward as chain_forward
from thinc.layers.concatenate import forward as concatenate_forward

from ..potentials import Potentials
from .sentences import BY_SENTENCE, check_sentences, sentence_lengths
from .settings import Configured

# Tokens that the network reads at once: enough to fill its matrix products
BATCH_TOKENS = 16384
# What layers may read of a token apart from its text. All other attributes follow from these, which
# `doc.to_array` reads and `doc.from_array` sets
TOKEN_ATTRIBUTES: list[int | str] = [
    "NORM",
    "LEMMA",
    "POS",
    "TAG",
    "MORPH",
    "DEP",
    "SENT_START",
    "ENT_IOB",
    "ENT_TYPE",
    "ENT_ID",
    "ENT_KB_ID",
]
# Layers of spaCy and of this package that read nothing of a doc but these attributes and the text
TOKEN_LAYERS = {
    "extract_features",
    "static_vectors",
    "charembed",
    "char_cnn_embed",
    "char_bilstm_embed",
    "onnx_embed",
}
_ENT_IOB = TOKEN_ATTRIBUTES.index("ENT_IOB")
_INSIDE, _BEGIN = 1, 3  # values of ENT_IOB

_T = TypeVar("_T")


class Window(NamedTuple):
    """A stretch of a doc that the network reads at once.

    Attributes:
        doc: Index of the doc.
        start: First token.
        end: Token after the last.
        kept_start: First token whose emissions are kept.
        kept_end: Token after the last whose emissions are kept.
    """

    doc: int
    start: int
    end: int
    kept_start: int
    kept_end: int


def with_windows(
    layer: Model[list[Doc], Potentials], window: int | None, overlap: int
) -> Model[list[Doc], Potentials]:
    """Run a layer in windows when it predicts long docs or large batches.

    Windows overlap on both sides, to give a recurrent layer context. Training runs whole docs.

    Args:
        layer: A tok2vec and a network on top of it.
        window: Tokens of a window, overlaps included. None never cuts a doc.
        overlap: Tokens of each overlap.

    Returns:
        The model, from docs to potentials.

    Raises:
        ValueError: If a window is too short for its overlaps.
    """
    if overlap < 0 or (window is not None and window <= 2 * overlap):
        raise ValueError(
            f"A window must be longer than its two overlaps, but the config has window = {window} "
            f"and overlap = {overlap}. Set window = null to never cut a doc."
        )
    return Model(
        "windows",
        _forward,
        init=_init,
        layers=[layer],
        attrs={
            "window": Configured(window),
            "overlap": Configured(overlap),
            "by_sentence": Configured(any(node.name == BY_SENTENCE for node in layer.walk())),
        },
        dims={"nO": None},
    )


def _init(model: Model, X: list[Doc] | None = None, Y: Potentials | None = None) -> None:
    model.layers[0].initialize(X=X, Y=Y)


def _forward(
    model: Model[list[Doc], Potentials], docs: list[Doc], is_train: bool
) -> tuple[Potentials, Callable[[Potentials], list[Doc]]]:
    layer = model.layers[0]
    if model.attrs["by_sentence"].value:
        check_sentences(docs)
    if is_train:
        return layer(docs, is_train)
    lengths = [len(doc) for doc in docs]
    windows = _windows([[length] for length in lengths], model)
    if len(windows) == len(docs) and sum(lengths) <= BATCH_TOKENS:
        return layer(docs, is_train)
    if layer.name != BY_SENTENCE and _reads_single_tokens(layer.layers[0]):
        sources = [_Source(doc) for doc in docs]

        def input_of(window: Window) -> Doc:
            return sources[window.doc].cut(window.start, window.end)

        return _predict(layer, windows, input_of, lengths), _no_backprop
    # A batch at a time, as the vectors of all docs would take much memory
    potentials = (_predict_from_vectors(model, batch) for batch in _batches(docs, len))
    return Potentials.of_batches(potentials), _no_backprop


def _windows(sequences: list[list[int]], model: Model) -> list[Window]:
    """Return the windows of docs, shortest first."""
    windows = windows_of(sequences, model.attrs["window"].value, model.attrs["overlap"].value)
    return sorted(windows, key=lambda window: window.end - window.start)


def _predict_from_vectors(model: Model[list[Doc], Potentials], docs: list[Doc]) -> Potentials:
    """Predict with a tok2vec that reads whole docs, and only the network in windows."""
    layer = model.layers[0]
    tok2vec, network = layer.layers
    vectors = tok2vec.predict(docs)
    lengths = [len(doc) for doc in docs]
    by_sentence = layer.name == BY_SENTENCE
    sequences = [sentence_lengths(doc) if by_sentence else [len(doc)] for doc in docs]

    def input_of(window: Window) -> Any:
        return vectors[window.doc][window.start : window.end]

    potentials = _predict(network, _windows(sequences, model), input_of, lengths)
    return potentials.starting_anew(sequences) if by_sentence else potentials


def _batches(items: Iterable[_T], length: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Yield the items in order, in batches of BATCH_TOKENS or a little more."""
    batch: list[_T] = []
    n_tokens = 0
    for item in items:
        batch.append(item)
        n_tokens += length(item)
        if n_tokens >= BATCH_TOKENS:
            yield batch
            batch, n_tokens = [], 0
    if batch:
        yield batch


def _reads_single_tokens(tok2vec: Model) -> bool:
    """Check whether a layer reads single tokens, so that it can read a doc cut into docs.

    A listener has vectors of whole docs, and other layers may read `doc._`, `doc.user_data` or
    `doc.spans`. So only known layers count.
    """
    if tok2vec._func is chain_forward:
        return _reads_single_tokens(tok2vec.layers[0])
    if tok2vec._func is concatenate_forward:
        return all(map(_reads_single_tokens, tok2vec.layers))
    return tok2vec.name in TOKEN_LAYERS and not tok2vec.attrs.get("reads_spans")


def windows_of(sequences: list[list[int]], window: int | None, overlap: int) -> Iterator[Window]:
    """Cut docs into windows, in order. A sequence that fits into a window is one window.

    Args:
        sequences: For each doc, the lengths of the sequences that the network reads on their own:
            the doc itself, or its sentences.
        window: Tokens of a window, overlaps included. None cuts no sequence.
        overlap: Tokens of each overlap.
    """
    for doc, lengths in enumerate(sequences):
        first = 0
        for length in lengths:
            last = first + length
            n_kept = length if window is None or length <= window else window - 2 * overlap
            for start in range(first, last, n_kept) if length else [first]:
                end = min(start + n_kept, last)
                yield Window(doc, max(start - overlap, first), min(end + overlap, last), start, end)
            first = last


def _predict(
    layer: Model, windows: list[Window], input_of: Callable[[Window], Any], lengths: list[int]
) -> Potentials:
    """Predict the potentials of docs from their windows, a batch of windows at a time.

    Args:
        layer: The layer to run.
        windows: The windows, sorted by length.
        input_of: Returns the input of the layer for a window.
        lengths: Lengths of the docs.
    """
    emissions: list[Any] = [None] * len(lengths)
    for batch in _batches(windows, lambda window: window.end - window.start):
        potentials = layer.predict([input_of(window) for window in batch])
        for window, scores in zip(batch, potentials.emissions):
            if len(scores) == lengths[window.doc]:
                emissions[window.doc] = scores
                continue
            if emissions[window.doc] is None:
                emissions[window.doc] = layer.ops.alloc2f(lengths[window.doc], scores.shape[1])
            kept = scores[window.kept_start - window.start : window.kept_end - window.start]
            emissions[window.doc][window.kept_start : window.kept_end] = kept
    return replace(potentials, emissions=emissions)


class _Source:
    """A doc to cut docs from."""

    def __init__(self, doc: Doc):
        self.doc = doc
        self.arrays: list[np.ndarray] | None = None  # None as long as the doc stays whole

    def cut(self, start: int, end: int) -> Doc:
        """Return some tokens as a doc with the same attributes, without custom extensions."""
        if start == 0 and end == len(self.doc):
            return self.doc
        if self.arrays is None:
            names = ("ORTH", "SPACY", TOKEN_ATTRIBUTES)
            self.arrays = [self.doc.to_array(name) for name in names]
        orths, spaces, attributes = (array[start:end] for array in self.arrays)
        if attributes[0, _ENT_IOB] == _INSIDE:  # the start of the entity is cut off
            attributes = attributes.copy()
            attributes[0, _ENT_IOB] = _BEGIN
        cut = Doc(self.doc.vocab, words=orths.tolist(), spaces=spaces.astype(bool).tolist())
        cut.from_array(TOKEN_ATTRIBUTES, cast(Any, attributes))
        if len(self.doc.tensor):
            cut.tensor = self.doc.tensor[start:end]
        return cut


def _no_backprop(gradient: Potentials) -> list[Doc]:
    raise ValueError("Prediction in windows has no gradient: call with is_train=True to train.")
