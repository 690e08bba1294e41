"""All numbers of the report, in one dictionary: the JSON file, and what the page shows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import comparison, probabilities
from .errors import Failure, confusion, failures
from .matching import Matching, matched
from .mentions import Compared, Mention, labels_of
from .metrics import LEVEL, N_RESAMPLES, SEED, Counts, resampled, scores, semeval, weights
from .slices import ALL, LABEL, Group, Seen, counted

MOST_ERRORS = 50  # of each kind that are shown


class Measured(NamedTuple):
    """What a pipeline's entities come to."""

    docs: Sequence[Compared]
    matchings: list[Matching]
    groups: list[Group]
    counts: Counts
    scores: list[dict[str, Any]]  # of each group


def measured(docs: Sequence[Compared], seen: Seen | None, drawn: Sequence[np.ndarray]) -> Measured:
    """Match and count a pipeline's entities, and score each group.

    Args:
        docs: Gold and predicted entities.
        seen: The entities of the training data, if these are known.
        drawn: The resamples.
    """
    groups, counts = counted(docs, seen)
    of_groups = scores(counts, resampled(counts, drawn))
    return Measured(docs, [matched(doc) for doc in docs], groups, counts, of_groups)


def report(
    docs: Sequence[Compared],
    baseline: Sequence[Compared] | None = None,
    seen: Seen | None = None,
) -> dict[str, Any]:
    """All numbers of a report.

    Args:
        docs: Gold and predicted entities of each doc.
        baseline: The same docs, with another pipeline's entities.
        seen: The entities of the training data, if these are known.

    Returns:
        What goes into the JSON file: dictionaries, lists, strings, numbers and None.
    """
    drawn = weights(len(docs))
    ours = measured(docs, seen, drawn)
    labels = labels_of([*docs, *(baseline or ())])
    found: dict[str, Any] = {
        "bootstrap": {"resamples": N_RESAMPLES, "seed": SEED, "level": LEVEL},
        "n_docs": len(docs),
        "labels": labels,
        **_of_pipeline(ours, labels),
        "errors": {kind: _failures(each) for kind, each in failures(docs).items()},
        "confusion": [
            {"gold": gold or None, "predicted": predicted or None, "n": n}
            for (gold, predicted), n in sorted(confusion(ours.matchings).items())
        ],
        "slices": _slices(ours),
        "baseline": None,
    }
    if baseline is not None:
        other = measured(baseline, seen, drawn)
        found["baseline"] = {
            **_of_pipeline(other, labels),
            "errors": {kind: len(each) for kind, each in failures(baseline).items()},
            **_compared(ours, other, labels, drawn, docs),
        }
    return found


def _of_pipeline(of: Measured, labels: Sequence[str]) -> dict[str, Any]:
    by_group = dict(zip(of.groups, of.scores))
    n_predicted = by_group[ALL]["predicted"]
    schemes = semeval(of.docs)
    return {
        "overall": by_group[ALL],
        "semeval": {
            name: {
                **each._asdict(),
                "precision": each.precision,
                "recall": each.recall,
                "f": each.f,
            }
            for name, each in schemes.items()
        },
        # In the order of the labels; a baseline may have some that this one lacks
        "by_label": {
            label: by_group[LABEL, label] for label in labels if (LABEL, label) in by_group
        },
        "probabilities": probabilities.summary(
            probabilities.scored(of.matchings), n_predicted=n_predicted
        ),
    }


def _failures(of_kind: Sequence[Failure]) -> dict[str, Any]:
    return {
        "n": len(of_kind),
        "shown": [
            {
                "doc": failure.doc.number,
                "source": failure.doc.source,
                "probability": failure.probability,
                "gold": [_mention(mention) for mention in failure.gold],
                "predicted": [_mention(mention) for mention in failure.predicted],
            }
            for failure in of_kind[:MOST_ERRORS]
        ],
    }


def _mention(mention: Mention) -> dict[str, Any]:
    return {
        "start": mention.start_char,
        "end": mention.end_char,
        "label": mention.label,
        "text": mention.text,
        "probability": mention.probability,
    }


def _slices(of: Measured) -> dict[str, dict[str, Any]]:
    """Scores by slice and value. Labels are elsewhere."""
    found: dict[str, dict[str, Any]] = {}
    for (name, value), each in zip(of.groups, of.scores):
        if (name, value) != ALL and name != LABEL:
            found.setdefault(name, {})[value] = each
    return found


def _compared(
    ours: Measured,
    other: Measured,
    labels: Sequence[str],
    drawn: Sequence[np.ndarray],
    docs: Sequence[Compared],
) -> dict[str, Any]:
    groups, of_ours, of_other = comparison.on_same_groups(
        (ours.groups, ours.counts), (other.groups, other.counts)
    )
    differences = dict(zip(groups, comparison.differences(of_ours, of_other, drawn)))
    changed = comparison.changed_docs(of_ours, of_other)
    for name in ("better", "worse"):
        for each in changed[name]:
            doc = docs[each.pop("place")]
            each.update(doc=doc.number, source=doc.source)
    return {
        "difference": {
            "overall": differences[ALL],
            "by_label": {
                label: differences[LABEL, label]
                for label in labels
                if (LABEL, label) in differences
            },
        },
        "docs": changed,
    }
