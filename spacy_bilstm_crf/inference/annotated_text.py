"""What was found in a text, as plain values."""

import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span

from ..common.errors import UserError, one_line
from ..pipeline.confidence import confidence
from .offsets import OffsetMapping

FRAMES = 5  # of a traceback that are kept

EntityDict = dict[str, Any]


class AnnotatedText(NamedTuple):
    """What was found in a text.

    An entity is a dict of `start` and `end`, which count characters as Python does, `text`, `label`
    and `confidence`, its probability, which is None if the pipeline knows none.

    Attributes:
        entities: The entities of `doc.ents`, and those that each `bilstm_crf_spans` or `spancat`
            has stored in `doc.spans`, which may overlap. In the order of the text, of those with
            the same start the longest first. A span is there once for each label.
        n_tokens: The number of tokens.
        candidates: All spans that are probable enough, of all components, in the order of the
            text. None unless asked for.
        k_best: The most probable tag sequences, each with its `probability`, its `entities`, and
            whether it is `in_set`, the set of tag sequences that contains the right one with the
            coverage that the pipeline was calibrated for. That is None if it was not, or if
            something of the text is known. None unless asked for.
        tokens: First character and end of each token, as the component with a CRF has them. None
            unless asked for.
        samples: The entities of tag sequences that were drawn by their probabilities. None unless
            asked for.
    """

    entities: list[EntityDict]
    n_tokens: int
    candidates: list[EntityDict] | None = None
    k_best: list[dict[str, Any]] | None = None
    tokens: list[tuple[int, int]] | None = None
    samples: list[list[EntityDict]] | None = None


class FailedText(NamedTuple):
    """Why a text could not be annotated.

    Attributes:
        reason: In words. They may quote the text.
        kind: The type of the exception.
        place: Where it was raised, innermost last: "file:line, in function".
    """

    reason: str
    kind: str
    place: Sequence[str] = ()

    @classmethod
    def of(cls, error: Exception) -> "FailedText":
        """Describe an exception, or what a component raised."""
        if isinstance(error, UserError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        place = [f"{frame.filename}:{frame.lineno}, in {frame.name}" for frame in frames]
        kind = type(error).__name__
        return cls(f"{kind}: {one_line(error)}", kind, place)

    @property
    def message(self) -> str:
        """The reason without the type of the exception."""
        return self.reason.removeprefix(f"{self.kind}: ")


def distinct_entities(entities: Iterable[EntityDict]) -> list[EntityDict]:
    """Return entities in order, those with the same span and label once, as the most probable."""

    def probability(entity: EntityDict) -> float:
        return -1.0 if entity["confidence"] is None else entity["confidence"]

    found: dict[tuple[int, int, str], EntityDict] = {}
    for entity in entities:
        # The longest first
        place = entity["start"], -entity["end"], entity["label"]
        found[place] = max(found.get(place, entity), entity, key=probability)
    return [found[place] for place in sorted(found)]


def entities_of(doc: Doc, text: str | None = None) -> list[EntityDict]:
    """Return the entities of a doc as dicts: see `AnnotatedText`.

    Args:
        doc: The doc.
        text: The text that it was made of, in which characters count. Default: the doc's own.
    """
    text = doc.text if text is None else text
    place = OffsetMapping(doc.text, text)
    return [entity_dict(ent, confidence(ent), text, place) for ent in doc.ents]


def entity_dict(
    span: Span, probability: float | None, text: str, place: OffsetMapping
) -> EntityDict:
    """Return a span as a dict: see `AnnotatedText`.

    Args:
        span: The span, of a doc.
        probability: Its probability; None if it is not known.
        text: The text that the doc was made of.
        place: Finds the span in that text.
    """
    return dict_of(span.start_char, span.end_char, span.label_, probability, text, place)


def dict_of(
    start: int, end: int, label: str, probability: float | None, text: str, place: OffsetMapping
) -> EntityDict:
    """Return the same for a span that is given by its characters and its label."""
    start, end = place(start, end)
    return {
        "start": start,
        "end": end,
        "text": text[start:end],
        "label": label,
        "confidence": probability,
    }
