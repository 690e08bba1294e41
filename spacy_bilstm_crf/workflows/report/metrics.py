"""Precision, recall and F: the four schemes of SemEval-2013, and bootstrap intervals over docs.

The categories are those of MUC-5 (Chinchor and Sundheim 1993): a matched pair is correct (COR),
incorrect (INC) or partially correct (PAR), a gold entity without a match is missing (MIS), a
predicted one spurious (SPU). The schemes are those of SemEval-2013 task 9.1 (Segura-Bedmar et al.
2013), which say what of a matched pair has to agree:

- strict: boundaries and label;
- exact: boundaries;
- partial: boundaries, a mere overlap counts half;
- type: the label, whatever the overlap.

A scheme is scored with the matching that earns the most credit under it (`matching`). Precision is
(COR + PAR / 2) / (COR + INC + PAR + SPU), recall (COR + PAR / 2) /
(COR + INC + PAR + MIS).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .matching import SCHEMES, category, clusters, match
from .mentions import Compared

N_RESAMPLES = 1000
SEED = 0
LEVEL = 0.95
# Resamples at a time: their weights are an array of so many x docs
CHUNK = 50

# shape: (docs, groups, 4): entities of the annotation, those that were found, entities predicted,
# those that are right
Counts = np.ndarray
GOLD, FOUND, PREDICTED, RIGHT = range(4)


class SchemeCounts(NamedTuple):
    """How often each category of MUC-5 occurs under a scheme."""

    cor: int
    inc: int
    par: int
    mis: int
    spu: int

    @property
    def precision(self) -> float | None:
        """The share of what was predicted; None where that is nothing."""
        return ratio(self.cor + self.par / 2, self.cor + self.inc + self.par + self.spu)

    @property
    def recall(self) -> float | None:
        """The share of what is annotated; None where that is nothing."""
        return ratio(self.cor + self.par / 2, self.cor + self.inc + self.par + self.mis)

    @property
    def f(self) -> float | None:
        """The harmonic mean; None where nothing is annotated and nothing predicted."""
        both = 2 * (self.cor + self.inc + self.par) + self.mis + self.spu
        return ratio(2 * (self.cor + self.par / 2), both)


def ratio(part: float, whole: float) -> float | None:
    """A share, or None of nothing."""
    return part / whole if whole else None


def semeval(docs: Iterable[Compared]) -> dict[str, SchemeCounts]:
    """The counts of each scheme, over all docs.

    Args:
        docs: Gold and predicted entities of each.
    """
    counts: dict[str, Counter] = {scheme: Counter() for scheme in SCHEMES}
    for doc in docs:
        for cluster in clusters(doc):
            for scheme, of_scheme in counts.items():
                matching = match(*cluster, schemes=[scheme])
                of_scheme.update(category(scheme, pair) for pair in matching.pairs)
                of_scheme.update(MIS=len(matching.missed), SPU=len(matching.spurious))
    names = ("COR", "INC", "PAR", "MIS", "SPU")
    return {
        scheme: SchemeCounts(*(of_scheme[name] for name in names))
        for scheme, of_scheme in counts.items()
    }


def weights(n_docs: int) -> list[np.ndarray]:
    """How often each doc is in each resample, drawn with replacement; the same at each call.

    Args:
        n_docs: Number of docs.

    Returns:
        Chunks of shape (resamples, docs).
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
    """Precision, recall and F of counts, nan where there is nothing to divide by.

    Args:
        counts: Shape (..., 4).

    Returns:
        Shape (..., 3).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = counts[..., RIGHT] / counts[..., PREDICTED]
        recall = counts[..., FOUND] / counts[..., GOLD]
        f = 2 * precision * recall / (precision + recall)
    # None found and none right: F is 0 where either side has something
    nothing = (counts[..., RIGHT] == 0) & (counts[..., FOUND] == 0)
    f = np.where(nothing & (counts[..., GOLD] + counts[..., PREDICTED] > 0), 0.0, f)
    return np.stack([precision, recall, f], axis=-1)


def resampled(counts: Counts, drawn: Sequence[np.ndarray]) -> np.ndarray:
    """Precision, recall and F of each resample.

    Args:
        counts: Of each doc and group.
        drawn: What `weights` gives.

    Returns:
        Shape (resamples, groups, 3).
    """
    n_docs, n_groups, _ = counts.shape
    flat = counts.reshape(n_docs, -1).astype(np.float32)  # whole numbers below 2 ** 24 are exact
    return np.concatenate([prf((chunk @ flat).reshape(-1, n_groups, 4)) for chunk in drawn])


def interval(samples: np.ndarray) -> tuple[float | None, float | None]:
    """The percentile interval of resampled values; those that are nan are left out."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return None, None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def scores(counts: Counts, samples: np.ndarray) -> list[dict[str, Any]]:
    """What the report says of each group: counts, and values with their intervals.

    Args:
        counts: Of each doc and group.
        samples: What `resampled` gives for them.
    """
    totals = counts.sum(0)
    return [
        {
            **dict(zip(("gold", "found", "predicted", "right"), map(int, totals[group]))),
            **{
                name: _with_interval(value, samples[:, group, place])
                for place, (name, value) in enumerate(
                    zip(("precision", "recall", "f"), prf(totals[group].astype(float)))
                )
            },
        }
        for group in range(len(totals))
    ]


def _with_interval(value: float, samples: np.ndarray) -> dict[str, float | None]:
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    low, high = interval(samples)
    return {"value": float(value), "low": low, "high": high}
