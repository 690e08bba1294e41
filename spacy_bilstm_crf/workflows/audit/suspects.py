"""Probable label errors: annotation that a model which has not seen it disagrees with."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from spacy.training import Example

from ...data.formats.prodigy import tokens_of

ANNOTATED, NOT_ANNOTATED = "annotated", "not annotated"


class ScoredEntity(NamedTuple):
    """A span, and a model's probability of it.

    Attributes:
        start: First character.
        end: Character after the last.
        label: Its label.
        probability: That it is an entity; None if the model has no probabilities.
        inside: The highest probability of one of its tokens to be in any entity; None if unknown.
        outside: The probability that none of its tokens is in an entity; None if unknown.
        n_tokens: Number of the pipeline's tokens.
    """

    start: int
    end: int
    label: str
    probability: float | None
    inside: float | None = None
    n_tokens: int = 1
    outside: float | None = None

    def overlaps(self, other: "ScoredEntity") -> bool:
        """Tell whether the two share a character."""
        return self.start < other.end and other.start < self.end

    def is_same(self, other: "ScoredEntity") -> bool:
        """Tell whether the two have the same boundaries and label."""
        return self[:3] == other[:3]


class Suspect(NamedTuple):
    """A probable label error.

    Attributes:
        doc: Index of the doc in the data.
        kind: `ANNOTATED` if the entity is annotated and may be wrong, `NOT_ANNOTATED` if it may be
            missing.
        entity: The entity in question.
        prefers: What the model considers most probable in its place, which may be the entity
            itself; None for no entity.
        suspicion: The probability by the model that the annotation is wrong here. A model that is
            often wrong, or too sure of itself, is so here too.
        preference: The model's probability of `prefers`; None if it has no probabilities.
    """

    doc: int
    kind: str
    entity: ScoredEntity
    prefers: ScoredEntity | None
    suspicion: float
    preference: float | None = None

    @property
    def rank(self) -> float:
        """The value that suspects are sorted by.

        A long entity is less probable than a short one, since each of its tokens has to be right,
        but it is not more often wrong. So an annotated entity of n tokens and probability p is
        ranked by p to the power of 1 / sqrt(n), which is between p and the geometric mean per
        token.
        """
        probability = self.entity.probability
        if self.kind != ANNOTATED or probability is None:
            return self.suspicion
        return 1.0 - probability ** (self.entity.n_tokens**-0.5)


def suspects_of(
    doc: int, gold: Sequence[ScoredEntity], found: Sequence[ScoredEntity]
) -> list[Suspect]:
    """Compare the annotated entities of a doc with a model's.

    The suspicion of an annotated entity is the model's probability that it is none. Where nothing
    is annotated, it is that of some entity being there: the model may be sure of that, but not of
    its boundaries or label. Found entities that overlap an annotated one are not suspects
    themselves: the model may prefer them to it.

    Args:
        doc: Index of the doc in the data.
        gold: The annotated entities.
        found: The entities that the model finds or considers possible.
    """
    suspects = []
    by_probability = sorted(found, key=lambda entity: -(entity.probability or 0.0))
    annotated = {entity[:3] for entity in gold}
    for entity in gold:
        # Of one label, annotated entities may be nested
        others = [
            other
            for other in by_probability
            if other.overlaps(entity) and (other.is_same(entity) or other[:3] not in annotated)
        ]
        if entity.probability is None:
            suspicion = float(not any(other.is_same(entity) for other in others))
        else:
            suspicion = 1.0 - entity.probability
        prefers, preference = _preferred(entity, others)
        suspects.append(Suspect(doc, ANNOTATED, entity, prefers, suspicion, preference))
    taken = list(gold)
    for entity in by_probability:
        if not any(entity.overlaps(other) for other in taken):
            somewhere = entity.probability if entity.inside is None else entity.inside
            suspicion = 1.0 if somewhere is None else somewhere
            found_here = Suspect(doc, NOT_ANNOTATED, entity, entity, suspicion, entity.probability)
            suspects.append(found_here)
            taken.append(entity)
    return suspects


def suspects_by_label(
    doc: int, gold: Sequence[ScoredEntity], found: Sequence[ScoredEntity]
) -> list[Suspect]:
    """Compare annotated entities that may overlap with a model's, for each label on its own.

    So an entity can be suspicious within one of another label, and what the model prefers is an
    entity of the same label, or none.

    Args:
        doc: Index of the doc in the data.
        gold: The annotated entities.
        found: The entities that the model finds or considers possible.
    """
    suspects = []
    for label in sorted({entity.label for entity in [*gold, *found]}):
        of_label = ([e for e in entities if e.label == label] for entities in (gold, found))
        suspects += suspects_of(doc, *of_label)
    return suspects


def _preferred(
    entity: ScoredEntity, others: Sequence[ScoredEntity]
) -> tuple[ScoredEntity | None, float | None]:
    """Return what a model considers most probable in an entity's place, and its probability.

    Args:
        entity: The annotated entity.
        others: What the model finds or considers possible there, the most probable first.
    """
    other = next((other for other in others if not other.is_same(entity)), None)
    if entity.probability is None:
        return other, None
    best = entity
    if other is not None and (other.probability or 0.0) > entity.probability:
        best = other
    if entity.outside is not None and entity.outside > (best.probability or 0.0):
        return None, entity.outside
    return best, best.probability


def ranked(suspects: Iterable[Suspect], least: float = 0.0) -> list[Suspect]:
    """Sort suspects, the most suspect first, and drop those below a least suspicion."""
    kept = (suspect for suspect in suspects if suspect.suspicion >= least and suspect.suspicion > 0)
    return sorted(kept, key=lambda suspect: (-suspect.rank, suspect.doc, suspect.entity.start))


def as_prodigy(suspect: Suspect, example: Example) -> dict[str, Any]:
    """Return a suspect as a task for Prodigy, which is a line of its JSONL.

    Args:
        suspect: The suspect.
        example: The example of its doc.
    """
    doc, entity, prefers = example.reference, suspect.entity, suspect.prefers
    meta = {
        "doc": suspect.doc,
        "kind": suspect.kind,
        "suspicion": round(suspect.suspicion, 4),
        "score": _rounded(entity.probability),
        "model_prefers": None
        if prefers is None
        else {**_span(prefers, doc.text), "score": _rounded(prefers.probability)},
        "preference": _rounded(suspect.preference),
    }
    span = _span(entity, doc.text)
    of_tokens = doc.char_span(entity.start, entity.end)
    if of_tokens is not None:
        span.update(token_start=of_tokens.start, token_end=of_tokens.end - 1)
    return {
        "text": doc.text,
        "tokens": tokens_of(doc),
        "spans": [span],
        "label": entity.label,
        "meta": meta,
    }


def _span(entity: ScoredEntity, text: str) -> dict[str, Any]:
    start, end, label = entity[:3]
    return {"start": start, "end": end, "label": label, "text": text[start:end]}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)
