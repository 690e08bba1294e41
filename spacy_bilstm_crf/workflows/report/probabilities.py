"""How well entities' probabilities are calibrated, and the effect of a threshold.

The expected calibration error (ECE) is that of Guo et al. 2017, eq. 3: the mean distance, over bins
of equal width, between the mean probability and the share of right entities. With few entities even
perfect probabilities have an ECE above 0. So the report also has the ECE to be expected if each
entity were right with exactly its probability: an ECE below that is no sign of miscalibration.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .matching import Matching

N_BINS = 10
N_DRAWS = 200
MOST_POINTS = 200  # on the curve


class Scored(NamedTuple):
    """Probabilities of spans, and whether each is right.

    Attributes:
        scores: Probabilities. Shape (spans,).
        right: Whether each span is a gold entity. Shape (spans,), bool.
        n_gold: Number of gold entities.
    """

    scores: np.ndarray
    right: np.ndarray
    n_gold: int


def scored(matchings: Sequence[Matching]) -> Scored:
    """Collect the predicted entities that have a probability.

    Args:
        matchings: The matching of each doc.
    """
    judged, n_gold = [], 0
    for each in matchings:
        n_gold += len(each.pairs) + len(each.missed)
        judged += [(found.probability, gold.key == found.key) for gold, found in each.pairs]
        judged += [(found.probability, False) for found in each.spurious]
    known = [(score, right) for score, right in judged if score is not None]
    return Scored(
        np.array([score for score, _ in known], dtype=float),
        np.array([right for _, right in known], dtype=bool),
        n_gold,
    )


def _places(scores: np.ndarray) -> np.ndarray:
    return np.minimum((scores * N_BINS).astype(int), N_BINS - 1)


def reliability(scored: Scored) -> list[dict[str, float]]:
    """Return the number of spans, mean score and share of right spans in each bin with any."""
    places = _places(scored.scores)
    bins = [places == place for place in np.unique(places)]
    return [
        {
            "n": int(inside.sum()),
            "score": float(scored.scores[inside].mean()),
            "right": float(scored.right[inside].mean()),
        }
        for inside in bins
    ]


def calibration_error(scored: Scored) -> float:
    """Compute the expected calibration error."""
    place = _places(scored.scores)
    gaps = np.bincount(place, scored.scores - scored.right, N_BINS)
    return float(np.abs(gaps).sum() / len(scored.scores))


def errors_of_chance(scored: Scored) -> np.ndarray:
    """Simulate calibration errors of spans that are right with exactly their score.

    Returns:
        One for each draw of outcomes. Shape (N_DRAWS,).
    """
    rng = np.random.default_rng(0)
    draws = (rng.random(len(scored.scores)) < scored.scores for _ in range(N_DRAWS))
    return np.array([calibration_error(scored._replace(right=draw)) for draw in draws])


def curve(scored: Scored) -> list[dict[str, float]]:
    """Compute precision, recall and F as functions of the threshold.

    Returns:
        A point for each probability that occurs, the lowest first. If there are many, an even
        selection of them with both ends and the point of the best F.
    """
    order = np.argsort(-scored.scores, kind="stable")
    scores = scored.scores[order]
    n_right = np.cumsum(scored.right[order])
    n_kept = np.arange(1, len(scores) + 1)
    f = 2 * n_right / (n_kept + scored.n_gold)
    # Entities of equal probability are kept or dropped together
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    best = last[np.argmax(f[last])]
    chosen = last[np.linspace(0, len(last) - 1, min(MOST_POINTS, len(last))).astype(int)]
    return [
        {
            "threshold": float(scores[i]),
            "precision": float(n_right[i] / n_kept[i]),
            "recall": float(n_right[i] / scored.n_gold) if scored.n_gold else 0.0,
            "f": float(f[i]),
        }
        for i in np.unique(np.append(chosen, best))[::-1]
    ]


def summary(scored: Scored, n_predicted: int) -> dict[str, Any] | None:
    """Return the report's summary of probabilities; None if no entity has one.

    Args:
        scored: The predicted entities that have a probability.
        n_predicted: The number of all predicted entities.
    """
    if not len(scored.scores):
        return None
    by_chance = errors_of_chance(scored)
    points = curve(scored)
    return {
        "n": len(scored.scores),
        "n_without": n_predicted - len(scored.scores),
        "mean": float(scored.scores.mean()),
        "right": float(scored.right.mean()),
        "ece": calibration_error(scored),
        "ece_by_chance": float(by_chance.mean()),
        "ece_by_chance_95": float(np.quantile(by_chance, 0.95)),
        "reliability": reliability(scored),
        "curve": points,
        "lowest": points[0]["threshold"],  # nothing less probable was found
        "best": max(points, key=lambda point: point["f"]),
    }
