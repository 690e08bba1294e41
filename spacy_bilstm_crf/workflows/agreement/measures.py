"""How much annotators agree: F by label, and Cohen's kappa at tokens, with bootstrap intervals.

Agreement about entities is F, since the number of places that are no entity, which kappa needs,
is not defined (Hripcsak and Rothschild 2005). One annotator's entities are taken as gold and the
other's as predicted: F is the same either way.

- strict: boundaries and label are the same.
- overlap: the label is the same. Other boundaries count half if the two share a token.

Tokens of which either annotator has said nothing are left out, with the entities on them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..report.matching import category, clusters, match
from ..report.mentions import Compared, Mention
from ..report.metrics import (
    FOUND,
    GOLD,
    PREDICTED,
    RIGHT,
    bootstrap_weights,
    prf,
    resampled,
    semeval,
    with_interval,
)
from ..report.slices import ALL, LABEL, count_by_group
from .reading import SharedText

PLACE_OF_F = 2  # among precision, recall and F


class AnnotatorPair(NamedTuple):
    """What two annotators have said of the texts that both have annotated.

    Attributes:
        one: The first annotator.
        other: The second.
        docs: The entities on tokens that both have annotated; the first annotator's as gold.
        tokens: For each text, the indices of the labels of these tokens by both annotators, int64
            [2, n_tokens]; 0 for none.
    """

    one: str
    other: str
    docs: list[Compared]
    tokens: list[np.ndarray]


class PairCounts(NamedTuple):
    """Counts of a pair of annotators in each text.

    Attributes:
        places: Numbers of the texts that both have annotated, int64 [docs].
        strict: float64 [docs, 1 + labels, 4], as a report counts them, all labels first.
        overlap: The same, with half of what only overlaps.
        tokens: Number of tokens, number of equal ones, and then the number of those with each label
            by either annotator, float64 [docs, 2 + 2 * (1 + labels)].
    """

    places: np.ndarray
    strict: np.ndarray
    overlap: np.ndarray
    tokens: np.ndarray


def annotator_pairs(texts: Sequence[SharedText], labels: Sequence[str]) -> list[AnnotatorPair]:
    """Pair the annotators who have annotated the same texts.

    Args:
        texts: The texts.
        labels: All labels.
    """
    ids = {label: i for i, label in enumerate(labels, start=1)}
    found: dict[tuple[str, str], AnnotatorPair] = {}
    for text in texts:
        for one, other in combinations(sorted(text.annotations), 2):
            sides = text.annotations[one], text.annotations[other]
            known = sides[0].known & sides[1].known
            if not known.any():
                continue
            entities = [_on_known(side.mentions, known) for side in sides]
            tags = np.zeros((2, len(known)), dtype=np.int64)
            for of_side, mentions in zip(tags, entities):
                for mention in mentions:
                    of_side[mention.start : mention.end] = ids[mention.label]
            pair = found.setdefault((one, other), AnnotatorPair(one, other, [], []))
            pair.docs.append(Compared(text.number, text.text, "", *entities))
            # Those of entities that are left out are as unknown as their rest
            pair.tokens.append(tags[:, known & ~_left_out(sides, entities, known)])
    return [found[names] for names in sorted(found)]


def _on_known(mentions: Iterable[Mention], known: np.ndarray) -> tuple[Mention, ...]:
    return tuple(each for each in mentions if known[each.start : each.end].all())


def _left_out(sides: Sequence[Any], entities: Sequence[Any], known: np.ndarray) -> np.ndarray:
    """Return the tokens of entities that are left out as not all of their tokens are known."""
    tokens = np.zeros_like(known)
    for side, kept in zip(sides, entities):
        for mention in set(side.mentions) - set(kept):
            tokens[mention.start : mention.end] = True
    return tokens


def labels_of(texts: Sequence[SharedText]) -> list[str]:
    """Return all labels, the most frequent first."""
    counts: dict[str, int] = {}
    for text in texts:
        for annotation in text.annotations.values():
            for mention in annotation.mentions:
                counts[mention.label] = counts.get(mention.label, 0) + 1
    return sorted(counts, key=lambda label: (-counts[label], label))


def counts_of(pair: AnnotatorPair, labels: Sequence[str]) -> PairCounts:
    """Count what two annotators agree on in each text.

    Args:
        pair: The annotators.
        labels: All labels.
    """
    groups, counts = count_by_group(pair.docs, None)
    strict = np.zeros((len(pair.docs), 1 + len(labels), 4))
    for place, group in enumerate([ALL, *((LABEL, label) for label in labels)]):
        if group in groups:
            strict[:, place] = counts[:, groups.index(group)]
    overlap = strict.copy()
    for row, doc in zip(overlap, pair.docs):
        in_both = {m.label for m in doc.gold} & {m.label for m in doc.predicted}
        for label in in_both:
            row[1 + labels.index(label), [FOUND, RIGHT]] = _overlap_credit(doc, label)
        row[0, [FOUND, RIGHT]] = row[1:, RIGHT].sum()
    tokens = np.array([_token_counts(tags, 1 + len(labels)) for tags in pair.tokens], dtype=float)
    return PairCounts(np.array([doc.number for doc in pair.docs]), strict, overlap, tokens)


def _overlap_credit(doc: Compared, label: str) -> float:
    """Return the credit for a label: 1 for the same boundaries, 1/2 for an overlap."""
    sides = (tuple(m for m in side if m.label == label) for side in (doc.gold, doc.predicted))
    of_label = Compared(doc.number, doc.text, doc.source, *sides)
    pairs = [
        pair for each in clusters(of_label) for pair in match(*each, schemes=["partial"]).pairs
    ]
    return sum(1.0 if category("partial", pair) == "COR" else 0.5 for pair in pairs)


def _token_counts(tags: np.ndarray, n_labels: int) -> list[int]:
    of_each = [np.bincount(of_side, minlength=n_labels).tolist() for of_side in tags]
    return [tags.shape[1], int((tags[0] == tags[1]).sum()), *of_each[0], *of_each[1]]


def kappa(tokens: np.ndarray) -> np.ndarray:
    """Compute Cohen's kappa from counts of tokens; nan where it is not defined.

    (observed - expected) / (1 - expected), where the expected agreement is that of two annotators
    who give each label as often as these do, but at random (Cohen 1960).

    Args:
        tokens: As in `PairCounts`, [..., 2 + 2 * labels].
    """
    n, same = tokens[..., 0], tokens[..., 1]
    one, other = np.split(tokens[..., 2:], 2, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (one * other).sum(-1) / n**2
        return np.where(expected < 1, (same / n - expected) / (1 - expected), np.nan)


def agreement_of(
    counts: PairCounts, labels: Sequence[str], with_kappa: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the agreement of two annotators about all labels, and about each.

    Args:
        counts: Their counts in each text.
        labels: All labels.
        with_kappa: Whether to compute Cohen's kappa as well.

    Returns:
        The numbers of all labels, and those of each label that either annotator has used.
    """
    drawn = bootstrap_weights(len(counts.places))
    samples = {name: _f_samples(getattr(counts, name), drawn) for name in ("strict", "overlap")}
    every = [_of_group(counts, samples, place) for place in range(1 + len(labels))]
    if with_kappa:
        weighted = np.concatenate([chunk @ counts.tokens for chunk in drawn])
        every[0]["kappa"] = with_interval(float(kappa(counts.tokens.sum(0))), kappa(weighted))
    by_label = {label: each for label, each in zip(labels, every[1:]) if sum(each["entities"])}
    return every[0], by_label


def _f_samples(counts: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
    return resampled(counts, drawn)[..., PLACE_OF_F]


def _of_group(counts: PairCounts, samples: Mapping[str, np.ndarray], place: int) -> dict[str, Any]:
    totals = counts.strict[:, place].sum(0)
    found: dict[str, Any] = {"entities": [int(totals[GOLD]), int(totals[PREDICTED])]}
    for name, of_name in samples.items():
        value = prf(getattr(counts, name)[:, place].sum(0))[PLACE_OF_F]
        found[name] = with_interval(value, of_name[:, place])
    return {**found, "same": int(totals[RIGHT])}


def pooled(pairs: Sequence[PairCounts], n_texts: int) -> PairCounts:
    """Return the counts of all pairs together in each text.

    So each pair counts by the number of its entities, and a resample of texts is the same for all.

    Args:
        pairs: The counts of each pair.
        n_texts: Number of texts.
    """

    def total(of: Callable[[PairCounts], np.ndarray]) -> np.ndarray:
        sums = np.zeros((n_texts, *of(pairs[0]).shape[1:]))
        for pair in pairs:
            sums[pair.places] += of(pair)  # a pair has each text once
        return sums

    return PairCounts(
        np.arange(n_texts),
        total(lambda pair: pair.strict),
        total(lambda pair: pair.overlap),
        total(lambda pair: pair.tokens),
    )


def mean_kappa(pairs: Sequence[PairCounts], n_texts: int) -> dict[str, float | None]:
    """Return the mean of the pairs' kappas (Light 1971), on the same resamples of texts.

    Args:
        pairs: The counts of each pair.
        n_texts: Number of texts.
    """
    drawn = bootstrap_weights(n_texts)
    values, samples = [], []
    for pair in pairs:
        values.append(kappa(pair.tokens.sum(0)))
        weighted = np.concatenate([chunk[:, pair.places] @ pair.tokens for chunk in drawn])
        samples.append(kappa(weighted))
    return with_interval(float(_mean(values)), _mean(samples))


def _mean(values: Sequence[Any]) -> np.ndarray:
    """Return the mean of arrays without their nans; nan where there is no other."""
    stacked = np.array(values)
    n_known = (~np.isnan(stacked)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(stacked, axis=0) / n_known


def boundaries_or_labels(pair: AnnotatorPair) -> dict[str, float | None]:
    """Return the F of two annotators by each scheme of SemEval-2013, over all labels."""
    return {scheme: of_scheme["f"] for scheme, of_scheme in semeval(pair.docs).items()}
