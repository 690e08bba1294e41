"""What the document says beside each token: its word at other places, and all of its words."""

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
from spacy.attrs import LOWER
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d

from .settings import Trained
from .torch_layer import check_tok2vec, end_to_end, rows_of_docs


class Groups(NamedTuple):
    """Tokens of docs laid end to end, each of them in one group."""

    of_token: np.ndarray  # int64, [tokens]
    sizes: np.ndarray  # int64, [groups], none of them 0


def DocumentContext(
    tok2vec: Model[list[Doc], list[Floats2d]],
    recurring_words: bool = True,
    document_vector: bool = True,
) -> Model[list[Doc], list[Floats2d]]:
    """Vectors of tokens with vectors of the document beside them.

    A name that one sentence makes clear is unclear in another. Where the tok2vec reads context, as
    a `spacy-bilstm-crf.BiLSTMEncoder.v1` does, a word's mean says what the other places know. The
    document is what is one Doc.

    Args:
        tok2vec: Gives a vector for each token.
        recurring_words: Put beside a token the mean of the vectors of its word, in lower case, over
            all its places in the doc (after Luo et al. 2020, "Hierarchical Contextualized
            Representation for Named Entity Recognition", whose memory holds such states of all
            the training data).
        document_vector: Put beside a token the mean of the vectors of all tokens of the doc (the
            mean pooling of Liu et al. 2019, "GCDT", section 3.1, over the doc).

    Returns:
        A layer whose vectors are two or three times as wide as the tok2vec's.
    """
    check_tok2vec("DocumentContext", tok2vec)
    if not (recurring_words or document_vector):
        raise ValueError(
            "DocumentContext has nothing to add: recurring_words or document_vector must be true."
        )
    return Model(
        "document_context",
        forward,
        init=init,
        layers=[tok2vec],
        dims={"nO": None},
        refs={"tok2vec": tok2vec},
        attrs={
            "recurring_words": Trained(recurring_words),
            "document_vector": Trained(document_vector),
        },
    )


def init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Initialize the layer."""
    tok2vec = model.layers[0]
    tok2vec.initialize(X=X, Y=Y)
    width = tok2vec.maybe_get_dim("nO")
    if width is None and X:
        width = tok2vec.predict(X)[0].shape[1]
    if width is None:
        raise ValueError(
            "DocumentContext is initialized with docs, which say the width of its tok2vec."
        )
    added = model.attrs["recurring_words"].value + model.attrs["document_vector"].value
    model.set_dim("nO", (1 + added) * width, force=True)


def forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Vectors of the tokens of docs."""
    vectors, backprop = model.layers[0](docs, is_train)
    n_outputs = model.get_dim("nO")
    groupings = []
    if model.attrs["recurring_words"].value:
        groupings.append(_of_words(docs))
    if model.attrs["document_vector"].value:
        groupings.append(_of_docs(docs))
    width = n_outputs // (1 + len(groupings))
    lengths = [len(doc) for doc in docs]
    ops = model.ops
    flat = end_to_end(ops, vectors, width)
    beside = [flat, *(mean_of_group(ops, flat, groups) for groups in groupings)]

    def backprop_context(d_outputs: list[Floats2d]) -> list[Doc]:
        parts = ops.xp.split(end_to_end(ops, d_outputs, n_outputs), 1 + len(groupings), axis=1)
        gradient = parts[0].copy()
        for part, groups in zip(parts[1:], groupings):
            # Taking means is a symmetric matrix: what a token gives another it gets from it
            gradient += mean_of_group(ops, part, groups)
        return backprop(rows_of_docs(gradient, lengths))

    return rows_of_docs(ops.xp.hstack(beside), lengths), backprop_context


def mean_of_group(ops: Ops, flat: Floats2d, groups: Groups) -> Floats2d:
    """For each token the mean of the vectors of its group, [tokens, width].

    Args:
        ops: What the vectors are on.
        flat: Vectors of tokens, [tokens, width].
        groups: The tokens' groups.
    """
    if not len(flat):
        return flat
    order = ops.xp.asarray(np.argsort(groups.of_token, kind="stable"))
    means = ops.reduce_mean(cast(Floats2d, flat[order]), ops.asarray1i(cast(Ints1d, groups.sizes)))
    return cast(Floats2d, means[ops.xp.asarray(groups.of_token)])


def _of_words(docs: list[Doc]) -> Groups:
    """The places of each word of each doc."""
    of_token, sizes, n_before = [], [], 0
    for doc in docs:
        _, of_word, counts = np.unique(
            doc.to_array([LOWER]), return_inverse=True, return_counts=True
        )
        of_token.append(n_before + of_word.ravel())
        sizes.append(counts)
        n_before += len(counts)
    return Groups(_joined(of_token), _joined(sizes))


def _of_docs(docs: list[Doc]) -> Groups:
    """The tokens of each doc."""
    sizes = np.array([len(doc) for doc in docs if len(doc)], dtype=np.int64)
    return Groups(np.repeat(np.arange(len(sizes)), sizes), sizes)


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])
