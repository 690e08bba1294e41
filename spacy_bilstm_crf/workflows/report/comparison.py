"""Compare two pipelines on the same docs: paired bootstrap, and the docs that changed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .metrics import FOUND, GOLD, PREDICTED, RIGHT, SCORES, Counts, prf, resampled, with_interval
from .slices import ALL, LABEL, Group

MOST_DOCS = 25  # shown of each kind


def on_same_groups(
    ours: tuple[list[Group], Counts], baseline: tuple[list[Group], Counts]
) -> tuple[list[Group], Counts, Counts]:
    """Return the counts of all entities, and of each label that either side has.

    Args:
        ours: The pipeline's groups, and their counts in each doc.
        baseline: The baseline's groups and counts.

    Returns:
        The groups, and the counts of both sides. Shape (docs, groups, 4).
    """
    groups = [group for group in ours[0] if group == ALL or group[0] == LABEL]
    groups += [group for group in baseline[0] if group[0] == LABEL and group not in groups]
    return groups, _select(groups, *ours), _select(groups, *baseline)


def _select(groups: Sequence[Group], known: Sequence[Group], counts: Counts) -> Counts:
    by_group = dict(zip(known, counts.swapaxes(0, 1)))
    nothing = np.zeros_like(counts[:, 0])
    return np.stack([by_group.get(group, nothing) for group in groups], axis=1)


def differences(
    ours: Counts, baseline: Counts, drawn: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    """Compute the differences of precision, recall and F in each group.

    Both are scored on the same resamples of docs (Efron and Tibshirani 1993; for text, Koehn 2004).
    The p value is two-sided: twice the share of resamples on the rarer side of no difference, and
    at most 1. It is never 0, since the data themselves count as one resample.

    Args:
        ours: Counts of each doc and group.
        baseline: The baseline's counts.
        drawn: The resamples that `bootstrap_weights` returns.
    """
    values = prf(ours.sum(0).astype(float)) - prf(baseline.sum(0).astype(float))
    samples = resampled(ours, drawn) - resampled(baseline, drawn)
    return [
        {
            name: _difference(values[group, place], samples[:, group, place])
            for place, name in enumerate(SCORES)
        }
        for group in range(len(values))
    ]


def _difference(value: float, samples: np.ndarray) -> dict[str, Any]:
    found = with_interval(value, samples)
    if found["value"] is None:
        return {**found, "p": None}
    known = samples[~np.isnan(samples)]
    side = min((known <= 0).sum(), (known >= 0).sum())
    return {**found, "p": float(min(1.0, 2 * (1 + side) / (1 + len(known))))}


def n_errors(counts: Counts) -> np.ndarray:
    """Count the missed and wrong entities of each doc; the first group must be all entities."""
    of_all = counts[:, 0]
    return of_all[:, GOLD] - of_all[:, FOUND] + of_all[:, PREDICTED] - of_all[:, RIGHT]


def changed_docs(ours: Counts, baseline: Counts) -> dict[str, Any]:
    """Find the docs with fewer and with more errors than the baseline.

    Returns:
        Their numbers, and the docs that changed most, with the errors of both sides.
    """
    of_ours, of_baseline = n_errors(ours), n_errors(baseline)
    change = of_baseline - of_ours
    found: dict[str, Any] = {"n_same": int((change == 0).sum())}
    for name, gain in (("better", change), ("worse", -change)):
        order = np.argsort(-gain, kind="stable")
        found[f"n_{name}"] = int((gain > 0).sum())
        found[name] = [
            {
                "place": int(place),
                "errors": int(of_ours[place]),
                "baseline_errors": int(of_baseline[place]),
            }
            for place in order[:MOST_DOCS]
            if gain[place] > 0
        ]
    return found
