"""Annotation that a model which never saw it thinks wrong, the surest first."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from spacy.training import Example

from ...data.formats.prodigy import tokens_of

ANNOTATED, NOT_ANNOTATED = "annotated", "not annotated"


class Scored(NamedTuple):
    """A span, and the probability that a model gives it.

    Attributes:
        start: First character.
        end: Character after the last.
        label: Its label.
        probability: That it is an entity; None where the model knows no probabilities.
        inside: The probability that one of its tokens is in some entity; None if not asked for.
        n_tokens: How many tokens of the pipeline it has.
    """

    start: int
    end: int
    label: str
    probability: float | None
    inside: float | None = None
    n_tokens: int = 1

    def overlaps(self, other: "Scored") -> bool:
        """Whether they share a character."""
        return self.start < other.end and other.start < self.end

    def is_same(self, other: "Scored") -> bool:
        """Whether it is the same entity."""
        return self[:3] == other[:3]


class Suspect(NamedTuple):
    """A place whose annotation is probably wrong.

    Attributes:
        doc: Place of the doc in the data.
        kind: Whether the entity is annotated, and maybe should not be, or the other way round.
        entity: The entity in question.
        prefers: What the model takes to be there instead; None for nothing.
        suspicion: The probability that the annotation is wrong here.
    """

    doc: int
    kind: str
    entity: Scored
    prefers: Scored | None
    suspicion: float

    @property
    def rank(self) -> float:
        """What suspects are ordered by.

        An entity of many tokens is less probable than one of few, for each of them has to be right,
        but it is not more often wrong. Of an annotated one the probability's root of the square
        root of its length counts: halfway between the probability of the whole and the mean of its
        tokens.
        """
        probability = self.entity.probability
        if self.kind != ANNOTATED or probability is None:
            return self.suspicion
        return 1.0 - probability ** (self.entity.n_tokens**-0.5)


def suspects_of(doc: int, gold: Sequence[Scored], found: Sequence[Scored]) -> list[Suspect]:
    """What is suspect in a doc.

    An annotated entity is as suspect as it is improbable. A place where none is annotated is as
    suspect as it is probable that something is there: the model may be sure of that and not of
    where it begins or what it is. Found entities that overlap an annotated one are what the model
    prefers to it, and no suspects of their own.

    Args:
        doc: Place of the doc in the data.
        gold: The annotated entities.
        found: What the model finds, or thinks possible.
    """
    suspects = []
    ranked = sorted(found, key=lambda entity: -(entity.probability or 0.0))
    for entity in gold:
        others = [other for other in ranked if other.overlaps(entity)]
        if entity.probability is None:
            suspicion = float(not any(other.is_same(entity) for other in others))
        else:
            suspicion = 1.0 - entity.probability
        prefers = next((other for other in others if not other.is_same(entity)), None)
        suspects.append(Suspect(doc, ANNOTATED, entity, prefers, suspicion))
    taken = list(gold)
    for entity in ranked:
        if not any(entity.overlaps(other) for other in taken):
            somewhere = entity.probability if entity.inside is None else entity.inside
            suspicion = 1.0 if somewhere is None else somewhere
            suspects.append(Suspect(doc, NOT_ANNOTATED, entity, entity, suspicion))
            taken.append(entity)
    return suspects


def ranked(suspects: Iterable[Suspect], least: float = 0.0) -> list[Suspect]:
    """The most suspect first, without those below a least suspicion."""
    kept = (suspect for suspect in suspects if suspect.suspicion >= least and suspect.suspicion > 0)
    return sorted(kept, key=lambda suspect: (-suspect.rank, suspect.doc, suspect.entity.start))


def as_prodigy(suspect: Suspect, examples: Sequence[Example]) -> dict[str, Any]:
    """A suspect as a task of Prodigy: a line of its JSONL."""
    text = examples[suspect.doc].reference.text
    start, end, label, probability = suspect.entity[:4]
    prefers = suspect.prefers
    meta = {
        "doc": suspect.doc,
        "kind": suspect.kind,
        "suspicion": round(suspect.suspicion, 4),
        "score": None if probability is None else round(probability, 4),
        "model_prefers": None
        if prefers is None
        else {
            **_span(prefers, text),
            "score": None if prefers.probability is None else round(prefers.probability, 4),
        },
    }
    span = _span(suspect.entity, text)
    doc = examples[suspect.doc].reference
    of_tokens = doc.char_span(start, end)
    if of_tokens is not None:
        span.update(token_start=of_tokens.start, token_end=of_tokens.end - 1)
    return {"text": text, "tokens": tokens_of(doc), "spans": [span], "label": label, "meta": meta}


def _span(entity: Scored, text: str) -> dict[str, Any]:
    start, end, label = entity[:3]
    return {"start": start, "end": end, "label": label, "text": text[start:end]}
