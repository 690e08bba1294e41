"""Prediction in pieces: what the network needs does not grow with a batch or with a doc."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import (
    Any,
    NamedTuple,
    TypeVar,
    cast,
)

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import forward as chain_forward
from thinc.layers.concatenate import forward as concatenate_forward

from ..potentials import Potentials
from .sentences import LAYER as BY_SENTENCE
from .sentences import check_sentences, sentence_lengths
from .settings import Configured

# Tokens that are run through the network at once: enough to fill its matrix products
GROUP_TOKENS = 16384
# What a layer may read of a token, apart from its text: `doc.to_array` gives it, and
# `doc.from_array` sets it. All else that is in there follows from these and the text.
TOKEN_ATTRIBUTES: list[int | str] = [
    *("NORM", "LEMMA", "POS", "TAG", "MORPH", "DEP", "SENT_START"),
    *("ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID"),
]
# Layers of spaCy and of this package that read these and a token's text, and nothing else of a doc
READERS_OF_TOKENS = {
    *("extract_features", "static_vectors", "charembed"),
    *("char_cnn_embed", "char_bilstm_embed"),
}
ENT_IOB = TOKEN_ATTRIBUTES.index("ENT_IOB")
INSIDE, BEGIN = 1, 3  # values of ENT_IOB

T = TypeVar("T")


class Piece(NamedTuple):
    """Tokens of a doc that are run at once, and those of them whose emissions are kept."""

    doc: int
    start: int
    end: int
    kept_start: int
    kept_end: int


def with_windows(
    layer: Model[list[Doc], Potentials], window: int | None, overlap: int
) -> Model[list[Doc], Potentials]:
    """Run a layer on a doc that is longer than a window piece by piece, when it predicts.

    Each piece is run with tokens on both sides of it, which see to it that a recurrent layer
    has read what comes before and after. Training runs whole docs.

    Args:
        layer: A tok2vec, and what is made of its vectors.
        window: Tokens of a piece with both sides. None never cuts a doc.
        overlap: Tokens of each side.
    """
    if overlap < 0 or (window is not None and window <= 2 * overlap):
        raise ValueError(
            f"A window must be longer than its two overlaps, but the config has window = "
            f"{window} and overlap = {overlap}. With window = null no doc is cut."
        )
    return Model(
        "windows",
        forward,
        init=init,
        layers=[layer],
        attrs={
            "window": Configured(window),
            "overlap": Configured(overlap),
            "by_sentence": Configured(any(node.name == BY_SENTENCE for node in layer.walk())),
        },
        dims={"nO": None},
    )


def init(model: Model, X: list[Doc] | None = None, Y: Potentials | None = None) -> None:
    """Initialize the layer."""
    model.layers[0].initialize(X=X, Y=Y)


def forward(
    model: Model[list[Doc], Potentials], docs: list[Doc], is_train: bool
) -> tuple[Potentials, Callable[[Potentials], list[Doc]]]:
    """Potentials of docs."""
    layer = model.layers[0]
    if model.attrs["by_sentence"].value:
        check_sentences(docs)
    if is_train:
        return layer(docs, is_train)
    lengths = [len(doc) for doc in docs]
    cut = _cut([[length] for length in lengths], model)
    if len(cut) == len(docs) and sum(lengths) <= GROUP_TOKENS:
        return layer(docs, is_train)
    if layer.name != BY_SENTENCE and _reads_tokens_alone(layer.layers[0]):
        sources = [_Source(doc) for doc in docs]

        def part_of(piece: Piece) -> Doc:
            return sources[piece.doc].part(piece.start, piece.end)

        return _predict(layer, cut, part_of, lengths), _no_backprop
    # So many tokens at a time, as the vectors of all docs would take much memory
    potentials = (_behind_tok2vec(model, group) for group in _groups(docs, len))
    return Potentials.of_batches(potentials), _no_backprop


def _cut(sequences: list[list[int]], model: Model) -> list[Piece]:
    """The pieces of docs, shortest first."""
    cut = pieces(sequences, model.attrs["window"].value, model.attrs["overlap"].value)
    return sorted(cut, key=lambda piece: piece.end - piece.start)


def _behind_tok2vec(model: Model[list[Doc], Potentials], docs: list[Doc]) -> Potentials:
    """Potentials of docs that the tok2vec sees whole, and the network in pieces."""
    layer = model.layers[0]
    tok2vec, network = layer.layers
    vectors = tok2vec.predict(docs)
    lengths = [len(doc) for doc in docs]
    by_sentence = layer.name == BY_SENTENCE
    sequences = [sentence_lengths(doc) if by_sentence else [len(doc)] for doc in docs]

    def part_of(piece: Piece) -> Any:
        return vectors[piece.doc][piece.start : piece.end]

    potentials = _predict(network, _cut(sequences, model), part_of, lengths)
    return potentials.starting_anew(sequences) if by_sentence else potentials


def _groups(items: Iterable[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in order, GROUP_TOKENS or little more at a time."""
    group: list[T] = []
    n_tokens = 0
    for item in items:
        group.append(item)
        n_tokens += length(item)
        if n_tokens >= GROUP_TOKENS:
            yield group
            group, n_tokens = [], 0
    if group:
        yield group


def _reads_tokens_alone(tok2vec: Model) -> bool:
    """Whether a part of a doc is the same to a layer as it was in the doc.

    It is not for a listener, which knows vectors of whole docs, nor for what looks for them in
    `doc._` or `doc.user_data`, nor for what reads `doc.spans`. So layers that are not known count
    as such.
    """
    if tok2vec._func is chain_forward:
        return _reads_tokens_alone(tok2vec.layers[0])
    if tok2vec._func is concatenate_forward:
        return all(map(_reads_tokens_alone, tok2vec.layers))
    return tok2vec.name in READERS_OF_TOKENS and not tok2vec.attrs.get("reads_spans")


def pieces(sequences: list[list[int]], window: int | None, overlap: int) -> Iterator[Piece]:
    """What docs are cut into, in order: sequences that fit into a window, and windows of others.

    Args:
        sequences: For each doc the lengths of what the network reads on its own: the doc, or its
            sentences.
        window: Tokens of a piece. None cuts no sequence.
        overlap: Tokens of each side of a window.
    """
    for doc, lengths in enumerate(sequences):
        first = 0
        for length in lengths:
            last = first + length
            n_kept = length if window is None or length <= window else window - 2 * overlap
            for start in range(first, last, n_kept) if length else [first]:
                end = min(start + n_kept, last)
                yield Piece(doc, max(start - overlap, first), min(end + overlap, last), start, end)
            first = last


def _predict(
    layer: Model, cut: list[Piece], part_of: Callable[[Piece], Any], lengths: list[int]
) -> Potentials:
    """Potentials of whole docs from those of their pieces, so many tokens at a time.

    Args:
        layer: The layer that takes the parts.
        cut: The pieces, of similar lengths one after the other.
        part_of: What the layer takes for a piece.
        lengths: Lengths of the docs.
    """
    emissions: list[Any] = [None] * len(lengths)
    for group in _groups(cut, lambda piece: piece.end - piece.start):
        potentials = layer.predict([part_of(piece) for piece in group])
        for piece, scores in zip(group, potentials.emissions):
            if len(scores) == lengths[piece.doc]:
                emissions[piece.doc] = scores
                continue
            if emissions[piece.doc] is None:
                emissions[piece.doc] = layer.ops.alloc2f(lengths[piece.doc], scores.shape[1])
            kept = scores[piece.kept_start - piece.start : piece.kept_end - piece.start]
            emissions[piece.doc][piece.kept_start : piece.kept_end] = kept
    return replace(potentials, emissions=emissions)


class _Source:
    """A doc that parts are taken from, as docs of their own."""

    def __init__(self, doc: Doc):
        self.doc = doc
        self.arrays: list[np.ndarray] | None = None  # not made for a doc that stays whole

    def part(self, start: int, end: int) -> Doc:
        """Tokens as a doc that looks to a layer as they did. Custom extensions are left out."""
        if start == 0 and end == len(self.doc):
            return self.doc
        if self.arrays is None:
            names = ("ORTH", "SPACY", TOKEN_ATTRIBUTES)
            self.arrays = [self.doc.to_array(name) for name in names]
        orths, spaces, attributes = (array[start:end] for array in self.arrays)
        if attributes[0, ENT_IOB] == INSIDE:  # an entity whose begin is cut off
            attributes = attributes.copy()
            attributes[0, ENT_IOB] = BEGIN
        part = Doc(self.doc.vocab, words=orths.tolist(), spaces=spaces.astype(bool).tolist())
        part.from_array(TOKEN_ATTRIBUTES, cast(Any, attributes))
        if len(self.doc.tensor):
            part.tensor = self.doc.tensor[start:end]
        return part


def _no_backprop(gradient: Potentials) -> list[Doc]:
    raise ValueError("Predicting in pieces leaves nothing to learn from: call with is_train=True.")
