"""Takes entities and candidates out of docs as soon as a component has found them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc, Span

from ..pipeline.base import TrainableCRF
from ..pipeline.confidence import scored_spans, set_scored_spans
from ..pipeline.settings import decoding_settings

# Tokens of a candidate. It is far above any entity, so that probability alone decides
LONGEST_CANDIDATE = 1000


class FoundSpan(NamedTuple):
    """An entity or a candidate, by its characters in the text of the doc."""

    start: int
    end: int
    label: str
    probability: float | None


def _found(span: Span, probability: float | None) -> FoundSpan:
    return FoundSpan(span.start_char, span.end_char, span.label_, probability)


def with_taken_spans(
    docs: Iterable[Doc], key: str, found: Sequence[list[FoundSpan]]
) -> Iterator[Doc]:
    """Yield docs after the spans of a group were added to a list for each.

    Later components may merge or split tokens, or overwrite the group.

    Args:
        docs: The docs.
        key: The key of the group in `doc.spans`.
        found: The list of each doc.
    """
    for doc, of_doc in zip(docs, found):
        scored = scored_spans(doc.spans[key]) if key in doc.spans else []
        of_doc += [_found(*each) for each in scored]
        yield doc


class CandidateRequest:
    """Takes the candidates of a component out of docs as soon as it has found them.

    Later components may merge or split tokens, and clear or overwrite keys of `doc.spans`. They get
    the candidates that the component's own settings ask for, if any.

    Args:
        ner: The component, whose settings are changed.
        least: The least probability of the candidates to take. None takes those that the
            component's own settings ask for.
    """

    def __init__(self, ner: TrainableCRF, least: float | None) -> None:
        self._labels = ner.labels
        self._least = least
        self._own, self._own_key = decoding_settings(ner.cfg), ner.candidates_key
        own = self._own.candidates_threshold
        thresholds = list(own.values()) if isinstance(own, dict) else [own]
        ner.candidates_key = self._key = f"candidates of {ner.name} in a request"
        wanted = [p for p in (least, *thresholds) if p is not None]
        ner.candidates_threshold = min(wanted) if wanted else None
        ner.candidates_max_length = max(LONGEST_CANDIDATE, self._own.candidates_max_length)

    def taken(self, docs: Iterable[Doc], found: Sequence[list[FoundSpan]]) -> Iterator[Doc]:
        """Yield docs after their candidates were added to a list for each."""
        for doc, of_doc in zip(docs, found):
            found_here = scored_spans(doc.spans.pop(self._key)) if self._key in doc.spans else []
            scored = [(span, p) for span, p in found_here if p]
            own = [each for each in scored if self._is_own(*each)]
            if self._least is None:
                wanted = own
            else:
                wanted = [(span, p) for span, p in scored if _is_at_least(p, self._least)]
            of_doc += [_found(*each) for each in wanted]
            if self._own.candidates_threshold is not None:
                set_scored_spans(doc, self._own_key, own)
            yield doc

    def _is_own(self, span: Span, probability: float) -> bool:
        """Tell whether a candidate is one without the request, too."""
        least = self._own.least_of_candidates(self._labels.index(span.label_))
        is_short = len(span) <= self._own.candidates_max_length
        return is_short and _is_at_least(probability, least)


def _is_at_least(probability: float, least: float) -> bool:
    """Compare as groups of spans keep probabilities: a threshold is rounded as they are."""
    return bool(np.float32(probability) >= np.float32(least))
