"""The thresholds of entities with the best F on annotated docs, for all labels or for each.

F is that of the entities that the component finds by its own decoding, not of spans one by one:
where entities overlap, they compete. A threshold is one of 0.01, 0.02, ..., 0.99.

- For all labels: the threshold with the best micro F of all entities, by trying each.
- For each label: from there, the labels are taken in turn. Each is given the threshold with the
  best mean F of the labels while those of the others stay as they are, until none changes. Where
  entities of different labels do not compete, that is the best F of each label on its own. Where
  they do, no change of a single threshold raises the mean any more, though one of several might.

Why a threshold at all: if probabilities are right, the best expected F is reached by taking
whatever is more probable than some threshold. For F1 that is half of the best F itself (Lipton,
Elkan and Naryanaswamy 2014), and for other measures of this kind it is some threshold, too (Koyejo,
Natarajan, Ravikumar and Dhillon 2014). Each label has its own F, and so its own threshold. Among
those that are equally good on the data, the one nearest to this value, F / (1 + beta^2), is taken.
Only the data decide, so probabilities need not be right. A label with fewer than `FEWEST` annotated
entities keeps the threshold of all: the best one on so few would be chance.

Later components, and the `spans_filter` of a `bilstm_crf_spans`, are not part of the search, but
the scores before and after are those of the pipeline.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import minibatch

from ..common.errors import UserError
from ..decoding import Entity, best_entities, candidate_entities
from ..inference.candidates import LONGEST_CANDIDATE
from ..inference.recognizers import chains_of, entity_source
from ..pipeline.base import TrainableCRF
from ..tags import LabelledSpan
from .quality import annotated_and_found
from .report.mentions import aligned
from .report.metrics import GOLD, PREDICTED, RIGHT
from .report.slices import ALL, LABEL, count_by_group
from .set_threshold import set_threshold

TRIED = [round(0.01 * i, 2) for i in range(1, 100)]
FEWEST = 20  # annotated entities of a label
ROUNDS = 20  # through the labels; a few are enough
TOLERANCE = 1e-9  # of scores that differ only by rounding
_BATCH = 128  # docs


class ThresholdScore(NamedTuple):
    """A threshold, and the F of the entities that it is for.

    Attributes:
        threshold: The threshold; None if it is another one for each label.
        n_entities: Number of annotated entities.
        before: F with the threshold that the pipeline had, from 0 to 1; None without any entity,
            annotated or found.
        after: F with the new one, on the data that it was chosen on.
        has_common: Whether the label has the threshold of all labels since its own entities are
            too few.
    """

    threshold: float | None
    n_entities: int
    before: float | None
    after: float | None
    has_common: bool = False


class BestF(NamedTuple):
    """The thresholds with the best F.

    Attributes:
        beta: How many times as important recall is as precision.
        overall: All entities together: micro F.
        by_label: The labels of the component.
        fewest: Number of annotated entities that a label needs for a threshold of its own.
    """

    beta: float
    overall: ThresholdScore
    by_label: dict[str, ThresholdScore]
    fewest: int

    @property
    def mean(self) -> ThresholdScore:
        """The mean F of the labels that have annotated entities: macro F."""
        known = [each for each in self.by_label.values() if each.n_entities]
        before = float(np.mean([each.before for each in known]))
        after = float(np.mean([each.after for each in known]))
        return ThresholdScore(None, sum(each.n_entities for each in known), before, after)


class Competing(NamedTuple):
    """Candidates of a doc that are connected by overlaps: the entities are chosen among them.

    Attributes:
        levels: The candidates by level of nesting. Entities are chosen on each level on its own.
        is_right: Whether the annotation has a candidate. Those that it says nothing of are left
            out: they don't count.
    """

    levels: list[list[Entity]]
    is_right: dict[LabelledSpan, bool]

    @property
    def labels(self) -> set[int]:
        """The labels of the candidates, as indices."""
        return {entity.label for of_level in self.levels for entity in of_level}

    def counts(self, thresholds: Sequence[float]) -> np.ndarray:
        """Count the entities that are chosen.

        Args:
            thresholds: The threshold of each label.

        Returns:
            For each label, those that are right and all of them, int64 [L, 2].
        """
        counts = np.zeros((len(thresholds), 2), dtype=np.int64)
        chosen = {e.span for level in self.levels for e in best_entities(level, thresholds)}
        for span in chosen & self.is_right.keys():
            counts[span[2]] += self.is_right[span], 1
        return counts


def f_beta(right: np.ndarray, found: np.ndarray, gold: np.ndarray, beta: float) -> np.ndarray:
    """Compute F from numbers of entities; NaN where none is found or annotated.

    Args:
        right: Entities that are found and annotated.
        found: All that are found.
        gold: All that are annotated.
        beta: How many times as important recall is as precision.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray((1 + beta**2) * right / (beta**2 * gold + found))


def set_best_thresholds(
    nlp: Language,
    examples: Sequence[Example],
    component: str,
    *,
    beta: float = 1.0,
    per_label: bool = False,
) -> BestF:
    """Set a component's threshold, or that of each label, to the one with the best F.

    Args:
        nlp: The pipeline, which is changed.
        examples: What `examples_before` returned for the component.
        component: Name of the component.
        beta: How many times as important recall is as precision.
        per_label: Choose a threshold for each label.

    Returns:
        The thresholds and F before and after.

    Raises:
        UserError: If no annotated entity has a label of the component.
    """
    recognizer = cast(TrainableCRF, nlp.get_pipe(component))
    labels = recognizer.labels
    before = _scores(nlp, examples, component, beta)
    n_entities = [before.get((LABEL, label), (0, None))[0] for label in labels]
    if not any(n_entities):
        raise UserError(
            f"None of the annotated entities has a label of '{component}': {', '.join(labels)}."
        )
    groups = list(competing_candidates(recognizer, examples))
    common = best_common(groups, len(labels), before[ALL][0], beta)
    thresholds = [common] * len(labels)
    if per_label:
        thresholds = best_by_label(groups, np.array(n_entities), common, beta)
        by_label = dict(zip(labels, thresholds))
        set_threshold(nlp, common, by_label=by_label, component=component)
    else:
        set_threshold(nlp, common, component=component)
    after = _scores(nlp, examples, component, beta)

    def score(group: tuple[str, str], threshold: float | None, has_common: bool) -> ThresholdScore:
        n, f_before = before.get(group, (0, None))
        return ThresholdScore(threshold, n, f_before, after.get(group, (0, None))[1], has_common)

    return BestF(
        beta,
        score(ALL, None if per_label else common, False),
        {
            label: score((LABEL, label), threshold, per_label and n < FEWEST)
            for label, threshold, n in zip(labels, thresholds, n_entities)
        },
        FEWEST,
    )


def _scores(
    nlp: Language, examples: Sequence[Example], component: str, beta: float
) -> dict[tuple[str, str], tuple[int, float | None]]:
    """Return the number of annotated entities and F, of all entities and by label."""
    groups, of_docs = count_by_group(annotated_and_found(nlp, examples, component), None)
    counts = of_docs.sum(axis=0)
    f = f_beta(counts[:, RIGHT], counts[:, PREDICTED], counts[:, GOLD], beta)
    return {
        group: (int(n), None if np.isnan(value) else float(value))
        for group, n, value in zip(groups, counts[:, GOLD], f)
    }


def best_common(groups: Sequence[Competing], n_labels: int, n_entities: int, beta: float) -> float:
    """Return the threshold with the best micro F.

    Args:
        groups: What `competing_candidates` found.
        n_labels: Number of labels.
        n_entities: Number of annotated entities, also of labels that the component lacks.
        beta: How many times as important recall is as precision.
    """
    totals = [
        sum(group.counts([threshold] * n_labels).sum(axis=0) for group in groups)
        + np.zeros(2, dtype=np.int64)
        for threshold in TRIED
    ]
    right, found = np.array(totals).T
    return _best_of(f_beta(right, found, np.array(n_entities), beta), beta)


def best_by_label(
    groups: Sequence[Competing], n_entities: np.ndarray, common: float, beta: float
) -> list[float]:
    """Return the threshold of each label, with which no change of one raises the mean F.

    Args:
        groups: What `competing_candidates` found.
        n_entities: Number of annotated entities of each label, int64 [L]. Labels with fewer than
            `FEWEST` keep the threshold of all.
        common: The threshold of all.
        beta: How many times as important recall is as precision.
    """
    n_labels = len(n_entities)
    thresholds = [common] * n_labels
    annotated = n_entities > 0
    counts = [group.counts(thresholds) for group in groups]
    totals = sum(counts) + np.zeros((n_labels, 2), dtype=np.int64)
    with_label = [
        [i for i, group in enumerate(groups) if label in group.labels] for label in range(n_labels)
    ]
    chosen = [label for label in range(n_labels) if n_entities[label] >= FEWEST]
    for _ in range(ROUNDS):
        before = list(thresholds)
        for label in chosen:
            here = with_label[label]
            rest = totals - sum(counts[i] for i in here)
            means, own = [], []
            for threshold in TRIED:
                tried = [*thresholds[:label], threshold, *thresholds[label + 1 :]]
                found = rest + sum(groups[i].counts(tried) for i in here)
                f = f_beta(found[:, 0], found[:, 1], n_entities, beta)
                means.append(f[annotated].mean())
                own.append(f[label])
            thresholds[label] = _best_of(np.array(means), beta, np.array(own))
            for i in here:
                counts[i] = groups[i].counts(thresholds)
            totals = rest + sum(counts[i] for i in here)
        if thresholds == before:
            break
    return thresholds


def _best_of(scores: np.ndarray, beta: float, f: np.ndarray | None = None) -> float:
    """Return the threshold with the best score: of equals the one nearest to F / (1 + beta^2).

    Args:
        scores: The score of each threshold of the grid; NaN, if nothing is found, counts as 0.
        beta: How many times as important recall is as precision.
        f: The F of each; None if these are the scores.
    """
    scores = np.nan_to_num(scores)
    best = float(scores.max())
    of_best = np.nan_to_num(scores if f is None else f)
    equals = [i for i, score in enumerate(scores) if score >= best - TOLERANCE]
    wanted = float(of_best[equals].max()) / (1 + beta**2)
    return TRIED[min(equals, key=lambda i: abs(TRIED[i] - wanted))]


def competing_candidates(
    recognizer: TrainableCRF, examples: Sequence[Example]
) -> Iterator[Competing]:
    """Yield the candidates of annotated docs, those together that overlap.

    Args:
        recognizer: The component.
        examples: What `examples_before` returned for the component. Docs without annotation are
            left out.
    """
    where = entity_source(recognizer)
    annotated = [eg for eg in examples if where.is_annotated(eg.reference)]
    for batch in minibatch(annotated, _BATCH):
        docs = [example.predicted for example in batch]
        first = 0  # label
        for labels, levels in chains_of(recognizer, docs):
            likely = [candidate_entities(each, TRIED[0], LONGEST_CANDIDATE) for each in levels]
            for example, of_doc in zip(batch, zip(*likely)):
                moved = [
                    [entity._replace(label=first + entity.label) for entity in of_level]
                    for of_level in of_doc
                ]
                yield from _connected(recognizer, example, moved)
            first += len(labels)


def _connected(
    recognizer: TrainableCRF, example: Example, levels: Sequence[Sequence[Entity]]
) -> Iterator[Competing]:
    """Yield the candidates of a doc, those together that overlap."""
    found = sorted({entity.span for of_level in levels for entity in of_level})
    is_right = _judged(recognizer, example, found)
    ends: list[int] = []  # of the groups
    group_of: dict[LabelledSpan, int] = {}
    for span in found:
        if not ends or span[0] >= ends[-1]:
            ends.append(span[1])
        ends[-1] = max(ends[-1], span[1])
        group_of[span] = len(ends) - 1
    groups = [Competing([[] for _ in levels], {}) for _ in ends]
    for i, of_level in enumerate(levels):
        for entity in of_level:
            groups[group_of[entity.span]].levels[i].append(entity)
    for span, judgment in is_right.items():
        groups[group_of[span]].is_right[span] = judgment
    yield from groups


def _judged(
    recognizer: TrainableCRF, example: Example, spans: Sequence[LabelledSpan]
) -> dict[LabelledSpan, bool]:
    """Tell of spans whether the annotation has them; those that don't count are left out."""
    if not spans:
        return {}
    where, doc, labels = entity_source(recognizer), example.predicted, recognizer.labels
    gold = {(e.start, e.end, e.label_) for e in where.entities(example.reference)}
    index = {label: i for i, label in enumerate(labels)}
    made = [Span(doc, start, end, labels[label]) for start, end, label in spans]
    return {
        (span.start, span.end, index[span.label_]): (place.start, place.end, span.label_) in gold
        for span, place in aligned(made, doc, example.reference, where)
    }
