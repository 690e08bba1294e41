"""Features of tokens from spans that an earlier component set.

A feature is the position of a token in a span (begin, in, last or unit, as in BILUO tags) together
with the label of the span. Features are hashed to the rows of a table as spaCy's HashEmbed does
(Miranda et al. 2022): each to four rows, whose sum is distinct even if single rows are shared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from thinc.api import NumpyOps

from .torch_layer import draw

N_ROWS = 1000
HASH_SEED = 1
_BEGIN, _IN, _LAST, _UNIT = range(4)
N_POSITIONS = np.uint64(4)
OPS = NumpyOps()


class SpanRows(NamedTuple):
    """Rows of the table for the features of tokens: token by token, and for each token key by key.

    Attributes:
        rows: Four rows of each feature, int64 [n_features, 4].
        n_features: Number of features for each token and key, int64 [n_tokens * n_keys].
    """

    rows: np.ndarray
    n_features: np.ndarray


def check_keys(keys: Sequence[str]) -> None:
    """Check that keys are a list without duplicates.

    Raises:
        ValueError: Naming the keys.
    """
    if isinstance(keys, str) or len(set(keys)) != len(keys) or not all(keys):
        raise ValueError(
            f'span_features must be a list of distinct keys of doc.spans, such as ["gazetteer"], '
            f"but the config has {keys!r}."
        )


def check_groups(keys: Sequence[str], docs: list[Doc]) -> None:
    """Check that docs have the keys in `doc.spans`, even if without any spans.

    Raises:
        ValueError: Naming the missing key, and what to do.
    """
    for key in keys:
        if not all(key in doc.spans for doc in docs):
            raise ValueError(
                f"A doc has nothing under '{key}' in doc.spans, which the embedding reads: see "
                f"span_features in the config. Put the component that sets it before this one; to "
                f"train, also name it in [training] annotating_components; for nlp.rehearse, run "
                f"it on the docs. `spacy pretrain` runs no components: pretrain without "
                f"span_features. If a doc has no such spans, the component has to set an empty "
                f"list."
            )


def rows_of_spans(keys: Sequence[str], docs: list[Doc], dropout: float) -> SpanRows:
    """Return the rows of the features of the docs' tokens.

    Args:
        keys: Keys of `doc.spans`; a doc without a key has no spans there.
        docs: The docs.
        dropout: Share of the spans to ignore.
    """
    features: list[np.ndarray] = []  # for each span, uint64 [n, 2]: bag, then feature
    first = 0
    for doc in docs:
        for number, key in enumerate(keys):
            for span in doc.spans.get(key, ()):
                if not len(span) or (dropout and draw() < dropout):
                    continue
                bags = (first + np.arange(span.start, span.end)) * len(keys) + number
                ids = np.full(len(span), span.label, dtype=np.uint64) * N_POSITIONS
                features.append(np.stack([bags.astype(np.uint64), ids + _positions(len(span))], 1))
        first += len(doc)
    n_bags = first * len(keys)
    if not features:
        return SpanRows(np.zeros((0, 4), dtype=np.int64), np.zeros(n_bags, dtype=np.int64))
    # Sorted by bag; a feature of a token from several spans counts once
    distinct = np.unique(np.concatenate(features), axis=0)
    hashes = OPS.hash(np.ascontiguousarray(distinct[:, 1]), HASH_SEED)
    counts = np.bincount(distinct[:, 0].astype(np.int64), minlength=n_bags)
    return SpanRows((hashes % N_ROWS).astype(np.int64), counts)


def _positions(length: int) -> np.ndarray:
    """Return the position of each token of a span, uint64 [length]."""
    positions = np.full(length, _IN, dtype=np.uint64)
    positions[0], positions[-1] = _BEGIN, _LAST
    if length == 1:
        positions[0] = _UNIT
    return positions
