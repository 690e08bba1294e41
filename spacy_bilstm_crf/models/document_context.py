"""Context from the whole doc: the mean vector of a word's occurrences, and of all tokens."""

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
from spacy.attrs import LOWER
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d

from .settings import Trained
from .torch_layer import check_tok2vec, end_to_end, rows_of_docs


class Partition(NamedTuple):
    """A partition of the concatenated tokens of docs into sets.

    Attributes:
        of_token: Set of each token, int64 [n_tokens].
        sizes: Number of tokens of each set, at least 1, int64 [n_sets].
    """

    of_token: np.ndarray
    sizes: np.ndarray


def DocumentContext(
    tok2vec: Model[list[Doc], list[Floats2d]],
    recurring_words: bool = True,
    document_vector: bool = True,
) -> Model[list[Doc], list[Floats2d]]:
    """Append vectors of the whole doc to the vectors of its tokens.

    One sentence can make a name clear that is ambiguous in another. If the tok2vec reads context,
    as a `spacy-bilstm-crf.BiLSTMEncoder.v1` does, the mean over a word's occurrences carries what
    is known from the other sentences. A document is one Doc.

    Args:
        tok2vec: Returns a vector for each token.
        recurring_words: Append the mean of the vectors of a token's word, in lower case, over all
            its occurrences in the doc (after Luo et al. 2020, "Hierarchical Contextualized
            Representation for Named Entity Recognition", whose memory holds such states of all
            the training data).
        document_vector: Append the mean of the vectors of all tokens of the doc (the mean pooling
            of Liu et al. 2019, "GCDT", section 3.1, over the doc).

    Returns:
        A layer whose vectors are two or three times as wide as the tok2vec's.

    Raises:
        ValueError: If there is nothing to append.
    """
    check_tok2vec("DocumentContext", tok2vec)
    if not (recurring_words or document_vector):
        raise ValueError(
            "DocumentContext has nothing to add: recurring_words or document_vector must be true."
        )
    return Model(
        "document_context",
        _forward,
        init=_init,
        layers=[tok2vec],
        dims={"nO": None},
        refs={"tok2vec": tok2vec},
        attrs={
            "recurring_words": Trained(recurring_words),
            "document_vector": Trained(document_vector),
        },
    )


def _init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    tok2vec = model.layers[0]
    tok2vec.initialize(X=X, Y=Y)
    width = tok2vec.maybe_get_dim("nO")
    if width is None and X:
        width = tok2vec.predict(X)[0].shape[1]
    if width is None:
        raise ValueError(
            "DocumentContext must be initialized with docs, to determine the width of its tok2vec."
        )
    added = model.attrs["recurring_words"].value + model.attrs["document_vector"].value
    model.set_dim("nO", (1 + added) * width, force=True)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    vectors, backprop = model.layers[0](docs, is_train)
    n_outputs = model.get_dim("nO")
    partitions = []
    if model.attrs["recurring_words"].value:
        partitions.append(_by_word(docs))
    if model.attrs["document_vector"].value:
        partitions.append(_by_doc(docs))
    width = n_outputs // (1 + len(partitions))
    lengths = [len(doc) for doc in docs]
    ops = model.ops
    flat = end_to_end(ops, vectors, width)
    outputs = [flat, *(mean_of_set(ops, flat, partition) for partition in partitions)]

    def backprop_context(d_outputs: list[Floats2d]) -> list[Doc]:
        d_flat = end_to_end(ops, d_outputs, n_outputs)
        d_vectors, *d_means = ops.xp.split(d_flat, 1 + len(partitions), axis=1)
        gradient = d_vectors.copy()
        for d_mean, partition in zip(d_means, partitions):
            # The matrix that takes means is symmetric, and thus its own transpose
            gradient += mean_of_set(ops, d_mean, partition)
        return backprop(rows_of_docs(gradient, lengths))

    return rows_of_docs(ops.xp.hstack(outputs), lengths), backprop_context


def mean_of_set(ops: Ops, flat: Floats2d, partition: Partition) -> Floats2d:
    """Compute for each token the mean vector of its set.

    Args:
        ops: The ops of the vectors.
        flat: Vectors of the tokens, float32 [n_tokens, width].
        partition: The tokens' sets.

    Returns:
        float32 [n_tokens, width].
    """
    if not len(flat):
        return flat
    order = ops.xp.asarray(np.argsort(partition.of_token, kind="stable"))
    sizes = ops.asarray1i(cast(Ints1d, partition.sizes))
    means = ops.reduce_mean(cast(Floats2d, flat[order]), sizes)
    return cast(Floats2d, means[ops.xp.asarray(partition.of_token)])


def _by_word(docs: list[Doc]) -> Partition:
    """Put the occurrences of a word in a doc into one set."""
    of_token, sizes, n_before = [], [], 0
    for doc in docs:
        _, of_word, counts = np.unique(
            doc.to_array([LOWER]), return_inverse=True, return_counts=True
        )
        of_token.append(n_before + of_word.ravel())
        sizes.append(counts)
        n_before += len(counts)
    return Partition(_joined(of_token), _joined(sizes))


def _by_doc(docs: list[Doc]) -> Partition:
    """Put the tokens of a doc into one set."""
    sizes = np.array([len(doc) for doc in docs if len(doc)], dtype=np.int64)
    return Partition(np.repeat(np.arange(len(sizes)), sizes), sizes)


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])
