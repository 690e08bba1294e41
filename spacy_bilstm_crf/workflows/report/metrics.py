"""Precision, recall and F: the four schemes of SemEval-2013, and bootstrap intervals over docs.

The categories are those of MUC-5 (Chinchor and Sundheim 1993): a matched pair is correct (COR),
incorrect (INC) or partially correct (PAR), a gold entity without a match is missing (MIS), a
predicted one spurious (SPU). The schemes of SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013)
differ in what a matched pair has to agree in:

- strict: boundaries and label;
- exact: boundaries;
- partial: boundaries; any other overlap counts half;
- type: the label.

A scheme is scored with the matching that earns the most credit under it (`matching`). Precision is
(COR + PAR / 2) / (COR + INC + PAR + SPU), recall (COR + PAR / 2) /
(COR + INC + PAR + MIS).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .matching import SCHEMES, category, clusters, match
from .mentions import Compared

N_RESAMPLES = 1000
SEED = 0
LEVEL = 0.95
# Resamples at a time, which bounds the memory for their weights
CHUNK = 50

# Shape (docs, groups, 4): gold entities, gold entities that were found, predicted entities,
# predicted entities that are right
Counts = np.ndarray
GOLD, FOUND, PREDICTED, RIGHT = range(4)
SCORES = ("precision", "recall", "f")
CATEGORIES = ("COR", "INC", "PAR", "MIS", "SPU")


def ratio(part: float, whole: float) -> float | None:
    """Return a share; None if the whole is 0."""
    return part / whole if whole else None


def semeval(docs: Iterable[Compared]) -> dict[str, dict[str, Any]]:
    """Count the categories under each scheme, over all docs.

    Args:
        docs: Gold and predicted entities of each doc.

    Returns:
        What `scheme_scores` returns for each scheme.
    """
    counts: dict[str, Counter] = {scheme: Counter() for scheme in SCHEMES}
    for doc in docs:
        for cluster in clusters(doc):
            for scheme, of_scheme in counts.items():
                matching = match(*cluster, schemes=[scheme])
                of_scheme.update(category(scheme, pair) for pair in matching.pairs)
                of_scheme.update(MIS=len(matching.missed), SPU=len(matching.spurious))
    return {scheme: scheme_scores(of_scheme) for scheme, of_scheme in counts.items()}


def scheme_scores(counts: Counter) -> dict[str, Any]:
    """Return the number of entities in each category, and precision, recall and F.

    Precision is None without predicted entities, recall without gold ones, F without either.

    Args:
        counts: The number of each category, by its name in MUC-5.
    """
    cor, inc, par, mis, spu = (counts[name] for name in CATEGORIES)
    n_gold, n_predicted = cor + inc + par + mis, cor + inc + par + spu
    credit = cor + par / 2
    return {
        **{name.lower(): counts[name] for name in CATEGORIES},
        "precision": ratio(credit, n_predicted),
        "recall": ratio(credit, n_gold),
        "f": ratio(2 * credit, n_gold + n_predicted),
    }


def bootstrap_weights(n_docs: int) -> list[np.ndarray]:
    """Draw bootstrap resamples of docs, the same at each call.

    Args:
        n_docs: Number of docs.

    Returns:
        How often each doc is in each resample, in chunks of shape (resamples, docs).
    """
    rng = np.random.default_rng(SEED)
    chunks = []
    for first in range(0, N_RESAMPLES, CHUNK):
        size = min(CHUNK, N_RESAMPLES - first)
        draws = rng.integers(n_docs, size=(size, n_docs))
        draws += np.arange(size)[:, None] * n_docs
        counts = np.bincount(draws.ravel(), minlength=size * n_docs)
        chunks.append(counts.reshape(size, n_docs).astype(np.float32))
    return chunks


def prf(counts: np.ndarray) -> np.ndarray:
    """Compute precision, recall and F from counts; nan where the denominator is 0.

    Args:
        counts: Shape (..., 4).

    Returns:
        Shape (..., 3).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = counts[..., RIGHT] / counts[..., PREDICTED]
        recall = counts[..., FOUND] / counts[..., GOLD]
        f = 2 * precision * recall / (precision + recall)
    # F is 0 if no entity is right and either side has one
    nothing = (counts[..., RIGHT] == 0) & (counts[..., FOUND] == 0)
    f = np.where(nothing & (counts[..., GOLD] + counts[..., PREDICTED] > 0), 0.0, f)
    return np.stack([precision, recall, f], axis=-1)


def resampled(counts: Counts, drawn: Sequence[np.ndarray]) -> np.ndarray:
    """Compute precision, recall and F of each resample.

    Args:
        counts: Counts of each doc and group.
        drawn: The resamples that `bootstrap_weights` returns.

    Returns:
        Shape (resamples, groups, 3).
    """
    n_docs, n_groups, _ = counts.shape
    flat = counts.reshape(n_docs, -1).astype(np.float32)  # whole numbers below 2 ** 24 are exact
    return np.concatenate([prf((chunk @ flat).reshape(-1, n_groups, 4)) for chunk in drawn])


def scores(counts: Counts, samples: np.ndarray) -> list[dict[str, Any]]:
    """Return the counts of each group, and its precision, recall and F with their intervals.

    Args:
        counts: Counts of each doc and group.
        samples: Shape (resamples, groups, 3), as `resampled` returns for the counts.
    """
    totals = counts.sum(0)
    values = prf(totals.astype(float))
    return [
        {
            **dict(zip(("gold", "found", "predicted", "right"), map(int, totals[group]))),
            **{
                name: with_interval(values[group, place], samples[:, group, place])
                for place, name in enumerate(SCORES)
            },
        }
        for group in range(len(totals))
    ]


def with_interval(value: float, samples: np.ndarray) -> dict[str, float | None]:
    """Return a value and the percentile interval of its resamples, without those that are nan.

    All are None if the value is nan.
    """
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return {"value": float(value), "low": float(low), "high": float(high)}
