"""Spans that an earlier component found, as features of the tokens in them.

A token's feature is its place in a span (begin, in, last or unit, as in BILUO tags) with the span's
label. Features are hashed to rows of a table as spaCy's HashEmbed does it (Miranda et al. 2022):
each to four of them, whose sum is its own even where a single row is shared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from thinc.api import NumpyOps

from .torch_layer import draw

N_ROWS = 1000
HASH_SEED = 1
BEGIN, IN, LAST, UNIT = range(4)
N_PLACES = np.uint64(4)
OPS = NumpyOps()


class SpanRows(NamedTuple):
    """Rows of the table, token after token, and for each token key after key."""

    rows: np.ndarray  # int64 [n_features, 4]
    n_features: np.ndarray  # int64 [n_tokens * n_keys]: how many of them each has


def check_keys(keys: Sequence[str]) -> None:
    """Check that keys are given as a list, each once.

    Raises:
        ValueError: Naming them.
    """
    if isinstance(keys, str) or len(set(keys)) != len(keys) or not all(keys):
        raise ValueError(
            f'span_features is a list of keys of doc.spans, each once, such as ["gazetteer"], but '
            f"the config has {keys!r}."
        )


def check_groups(keys: Sequence[str], docs: list[Doc]) -> None:
    """Check that docs have spans under the keys, even if none.

    Raises:
        ValueError: Naming the key that is missing, and what to do.
    """
    for key in keys:
        if not all(key in doc.spans for doc in docs):
            raise ValueError(
                f"A doc has nothing under '{key}' in doc.spans, which the embedding reads: see "
                f"span_features in the config. Put the component that sets it before this one; to "
                f"train, name that one in [training] annotating_components too; for nlp.rehearse, "
                f"run it on the docs. `spacy pretrain` runs no components: pre-train without "
                f"span_features. Where a doc has no such spans, the component has to set an empty "
                f"list."
            )


def rows_of_spans(keys: Sequence[str], docs: list[Doc], dropout: float) -> SpanRows:
    """Rows of the features of the tokens of docs.

    Args:
        keys: Keys of `doc.spans`; a doc that lacks one has no spans there.
        docs: The docs.
        dropout: The share of spans that are overlooked.
    """
    features: list[np.ndarray] = []  # of each span, int64 [n, 2]: bag, then hash
    first = 0
    for doc in docs:
        for number, key in enumerate(keys):
            for span in doc.spans.get(key, ()):
                if not len(span) or (dropout and draw() < dropout):
                    continue
                bags = (first + np.arange(span.start, span.end)) * len(keys) + number
                ids = np.full(len(span), span.label, dtype=np.uint64) * N_PLACES
                features.append(np.stack([bags.astype(np.uint64), ids + _places(len(span))], 1))
        first += len(doc)
    n_bags = first * len(keys)
    if not features:
        return SpanRows(np.zeros((0, 4), dtype=np.int64), np.zeros(n_bags, dtype=np.int64))
    # Sorted by bag; a feature that several spans give a token counts once
    distinct = np.unique(np.concatenate(features), axis=0)
    hashes = OPS.hash(np.ascontiguousarray(distinct[:, 1]), HASH_SEED)
    counts = np.bincount(distinct[:, 0].astype(np.int64), minlength=n_bags)
    return SpanRows((hashes % N_ROWS).astype(np.int64), counts)


def _places(length: int) -> np.ndarray:
    """Place of each token of a span, uint64 [length]."""
    places = np.full(length, IN, dtype=np.uint64)
    places[0], places[-1] = BEGIN, LAST
    if length == 1:
        places[0] = UNIT
    return places
