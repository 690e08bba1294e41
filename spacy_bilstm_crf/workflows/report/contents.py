"""The numbers of a report, in one dictionary: what the JSON file holds and the page shows."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...data.entity_source import DOC_ENTS, EntitySource
from . import comparison, probabilities
from .errors import Failure, confusion, failures
from .matching import Matching, matched
from .mentions import Compared, Mention, labels_by_frequency
from .metrics import LEVEL, N_RESAMPLES, SEED, Counts, bootstrap_weights, resampled, scores, semeval
from .slices import ALL, LABEL, NESTING, Group, Seen, count_by_group

MOST_ERRORS = 50  # shown of each kind


class Measured(NamedTuple):
    """The matchings, counts and scores of a pipeline's entities."""

    docs: Sequence[Compared]
    matchings: list[Matching]  # one per doc
    groups: list[Group]
    counts: Counts  # shape (docs, groups, 4)
    scores: list[dict[str, Any]]  # one per group


def report_numbers(
    docs: Sequence[Compared],
    baseline: Sequence[Compared] | None = None,
    seen: Seen | None = None,
    where: EntitySource = DOC_ENTS,
) -> dict[str, Any]:
    """Compute all numbers of a report.

    Args:
        docs: Gold and predicted entities of each doc.
        baseline: The same docs with another pipeline's entities.
        seen: The entities of the training data, if they are known.
        where: Where the docs had their entities.

    Returns:
        The content of the JSON file: dictionaries, lists, strings, numbers and None.
    """
    of_kinds = partial(failures, may_overlap=where.may_overlap)
    drawn = bootstrap_weights(len(docs))
    ours = _measure(docs, seen, drawn)
    labels = labels_by_frequency([*docs, *(baseline or ())])
    numbers: dict[str, Any] = {
        "bootstrap": {"resamples": N_RESAMPLES, "seed": SEED, "level": LEVEL},
        "spans_key": where.spans_key,
        "n_docs": len(docs),
        "labels": labels,
        **_of_pipeline(ours, labels),
        "errors": {kind: _errors(each) for kind, each in of_kinds(docs).items()},
        "confusion": [
            {"gold": gold or None, "predicted": predicted or None, "n": n}
            for (gold, predicted), n in sorted(confusion(ours.matchings).items())
        ],
        "slices": _slices(ours),
        "baseline": None,
    }
    if baseline is not None:
        other = _measure(baseline, seen, drawn)
        numbers["baseline"] = {
            **_of_pipeline(other, labels),
            "errors": {kind: len(each) for kind, each in of_kinds(baseline).items()},
            **_differences(ours, other, labels, drawn),
        }
    return numbers


def _measure(docs: Sequence[Compared], seen: Seen | None, drawn: Sequence[np.ndarray]) -> Measured:
    groups, counts = count_by_group(docs, seen)
    of_groups = scores(counts, resampled(counts, drawn))
    return Measured(docs, [matched(doc) for doc in docs], groups, counts, of_groups)


def _of_pipeline(of: Measured, labels: Sequence[str]) -> dict[str, Any]:
    by_group = dict(zip(of.groups, of.scores))
    n_predicted = by_group[ALL]["predicted"]
    return {
        "overall": by_group[ALL],
        "semeval": semeval(of.docs),
        "by_label": _by_label(by_group, labels),
        "probabilities": probabilities.summary(probabilities.scored(of.matchings), n_predicted),
    }


def _by_label(of_groups: dict[Group, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return what is known of each label, in the order of the labels.

    The baseline may have labels that the pipeline lacks, and the other way round.
    """
    return {label: of_groups[LABEL, label] for label in labels if (LABEL, label) in of_groups}


def _errors(of_kind: Sequence[Failure]) -> dict[str, Any]:
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
    """Return the scores by slice and value.

    Labels are listed elsewhere, and nesting in the same label only if there is any.
    """
    found: dict[str, dict[str, Any]] = {}
    for (name, value), each in zip(of.groups, of.scores):
        if (name, value) != ALL and name != LABEL:
            found.setdefault(name, {})[value] = each
    if found.get(NESTING, {}).keys() == {"no"}:
        del found[NESTING]
    return found


def _differences(
    ours: Measured, other: Measured, labels: Sequence[str], drawn: Sequence[np.ndarray]
) -> dict[str, Any]:
    groups, of_ours, of_other = comparison.on_same_groups(
        (ours.groups, ours.counts), (other.groups, other.counts)
    )
    differences = dict(zip(groups, comparison.differences(of_ours, of_other, drawn)))
    changed = comparison.changed_docs(of_ours, of_other)
    for each in [*changed["better"], *changed["worse"]]:
        doc = ours.docs[each.pop("place")]
        each.update(doc=doc.number, source=doc.source)
    return {
        "difference": {"overall": differences[ALL], "by_label": _by_label(differences, labels)},
        "docs": changed,
    }
