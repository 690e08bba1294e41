"""Components that make one set of entities out of what several recognizers found."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span

from ..common.config_names import check_config_names
from ..constraints import blocked_spans
from ..decoding import Entity, best_entities
from .confidence import (
    ScoredSpan,
    confidence,
    keep_confidence,
    register_confidence,
    set_scored_spans,
)

SCORES = "scores"
ROUNDING = 1e-6  # of whoever worked a probability out

Block = dict[str, Any]  # of a config: a source
Place = tuple[int, int, int]  # first token, end, label


class Source(NamedTuple):
    """How much the spans of a source count.

    Attributes:
        weight: What a span's probability is multiplied with.
        labels: The same for labels, where they have another weight than 1; 0 leaves a label out.
    """

    weight: float
    labels: dict[str, float]

    def weight_of(self, label: str) -> float:
        """Of a label's spans."""
        return self.weight * self.labels.get(label, 1.0)


@Language.factory(
    "entity_merger",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans", "span._.confidence"],
    default_config={
        "sources": {},
        "ents": None,
        "threshold": 0.5,
        "spans_key": None,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_entity_merger(
    nlp: Language,
    name: str,
    sources: dict[str, Block],
    ents: Block | None,
    threshold: float,
    spans_key: str | None,
    scorer: Callable | None,
) -> "EntityMerger":
    """Create a component that sets the entities of a doc to the best of several components.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        sources: For each key of `doc.spans` that is a source a block with `weight` (1) and
            `labels` (none), the weights of single labels: a block, or a list of pairs such as
            `[["GPE:city", 0.5]]` for names that a config can't hold.
        ents: The same block for the entities that are in `doc.ents` already. None drops them.
        threshold: The least value of an entity: its probability times its source's weight, summed
            over the sources that found it.
        spans_key: Key in `doc.spans` for the entities with their values. None keeps none.
        scorer: The scoring method.

    Raises:
        ValueError: If a setting makes no sense, or a saved config would lose it.
    """
    instead = "Let the component that sets it use another key."
    check_config_names(f"A source of '{name}'", sources, instead, of_blocks=True)
    for what, block in _named(name, sources, ents):
        labels = block.get("labels")
        if isinstance(labels, dict):
            instead = f"Write pairs: labels = {json.dumps(list(labels.items()))}"
            check_config_names(f"A label of {what}", labels, instead)
    return EntityMerger(
        name, sources, ents=ents, threshold=threshold, spans_key=spans_key, scorer=scorer
    )


class EntityMerger(Pipe):
    """Sets `doc.ents` to the spans, of all sources, that are best together without overlap.

    A span's value is its probability times its source's weight. Where several sources found the
    same span with the same label, their values are summed: with weights that sum to one that is
    the linear opinion pool (Stone 1961), with weights of one it is a vote. Of spans that overlap
    those stand whose sum of (value - threshold) is largest.

    A span without a probability counts as certain: one of a ruler, or an entity of a component that
    knows none. `doc.spans` that have `attrs["scores"]` have probabilities, as `spancat` and
    `bilstm_crf_ner` set them; entities of a `bilstm_crf_ner` have theirs.
    """

    def __init__(
        self,
        name: str,
        sources: dict[str, Block],
        *,
        ents: Block | None = None,
        threshold: float = 0.5,
        spans_key: str | None = None,
        scorer: Callable | None = None,
    ):
        """Initialize a merger.

        Raises:
            ValueError: If a setting makes no sense, naming it.
        """
        self.name = name
        found = [_source(what, block) for what, block in _named(name, sources, ents)]
        self.sources = dict(zip(sources, found))
        self.ents = None if ents is None else found[-1]
        if spans_key in sources:
            raise ValueError(f"The spans_key of '{name}' is '{spans_key}', which is a source.")
        if not sources:
            raise ValueError(f"'{name}' needs sources: keys of doc.spans that others set.")
        if not threshold >= 0.0:
            raise ValueError(f"The threshold of '{name}' is {threshold}, but must be 0 or above.")
        self.threshold = threshold
        self.spans_key = spans_key
        self.scorer = scorer
        register_confidence()

    def __call__(self, doc: Doc) -> Doc:
        """Set the entities of a doc.

        Raises:
            ValueError: If a source is missing, or its scores are no probabilities.
        """
        error_handler = self.get_error_handler()
        try:
            self.set_annotations(doc, self.merged(doc))
        except Exception as error:
            error_handler(self.name, self, [doc], error)
        return doc

    def merged(self, doc: Doc) -> list[ScoredSpan]:
        """The entities that a doc is to have, and their values. The doc is not changed."""
        taken = {token for span in blocked_spans(doc) for token in range(span.start, span.end)}
        values: dict[Place, float] = {}
        spans: dict[Place, Span] = {}
        for source, found in self._found(doc):
            best: dict[Place, float] = {}  # a source that found a span twice counts once
            for span, probability in found:
                if taken.intersection(range(span.start, span.end)):
                    continue
                place = (span.start, span.end, span.label)
                value = probability * source.weight_of(span.label_)
                best[place] = max(value, best.get(place, 0.0))
                spans.setdefault(place, span)
            for place, value in best.items():
                values[place] = values.get(place, 0.0) + value
        candidates = [Entity(*place, value) for place, value in values.items() if value > 0.0]
        chosen = best_entities(candidates, self.threshold)
        return [(_copy(doc, spans[entity.span]), entity.probability) for entity in chosen]

    def _found(self, doc: Doc) -> Iterator[tuple[Source, Iterator[ScoredSpan]]]:
        """The spans of each source."""
        for key, source in self.sources.items():
            yield source, _spans_of(doc, key)
        if self.ents is not None:
            yield self.ents, _entities_of(doc)

    def set_annotations(self, doc: Doc, entities: list[ScoredSpan]) -> None:
        """Set the entities of a doc, instead of those that are there.

        Args:
            doc: The doc.
            entities: What `merged` returned.
        """
        doc.set_ents([span for span, _ in entities], blocked=blocked_spans(doc), default="outside")
        scored = [(span, min(value, 1.0)) for span, value in entities]
        keep_confidence(doc, scored, self.name)
        if self.spans_key is not None:
            set_scored_spans(doc, self.spans_key, scored)


def _named(name: str, sources: dict[str, Block], ents: Block | None) -> Iterator[tuple[str, Block]]:
    """The blocks of all sources, with how to speak of them; that of the entities comes last."""
    for key, block in sources.items():
        yield f"the source '{key}' of '{name}'", block
    if ents is not None:
        yield f"the ents of '{name}'", ents


def _source(what: str, block: Block) -> Source:
    unknown = set(block) - set(Source._fields)
    if unknown:
        raise ValueError(
            f"In {what} is {', '.join(sorted(unknown))}, but it may have a weight and labels alone."
        )
    weight, labels = block.get("weight", 1.0), block.get("labels") or {}
    try:
        labels = dict(labels)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"In {what} the labels are {labels!r}, but they are a block of weights, or pairs."
        ) from error
    for value in (weight, *labels.values()):
        if not isinstance(value, (int, float)) or not value >= 0.0:
            raise ValueError(f"In {what} is a weight of {value!r}, but weights are 0 or above.")
    return Source(float(weight), labels)


def _entities_of(doc: Doc) -> Iterator[ScoredSpan]:
    """Entities and their probabilities."""
    for ent in doc.ents:
        known = confidence(ent)
        yield ent, 1.0 if known is None else known


def _spans_of(doc: Doc, key: str) -> Iterator[ScoredSpan]:
    """Spans of a source and their probabilities."""
    if key not in doc.spans:
        raise ValueError(
            f"A doc has nothing under '{key}' in doc.spans: put the component that sets it before "
            f"the merger, or take it out of the sources. A bilstm_crf_ner sets its candidates "
            f"where its candidates_threshold is set. The doc has: "
            f"{', '.join(doc.spans) or 'no keys'}."
        )
    group = doc.spans[key]
    if group.attrs.get("n_tokens", len(doc)) != len(doc):
        raise ValueError(
            f"The doc has other tokens now than when doc.spans['{key}'] was set: merge or split "
            f"tokens before the component that sets it."
        )
    scores = group.attrs.get(SCORES)
    if scores is None:
        scores = [1.0] * len(group)
    if len(scores) != len(group):
        raise ValueError(
            f"The scores of doc.spans['{key}'] are {len(scores)}, but there are {len(group)} "
            f"spans: whoever adds spans has to add their scores."
        )
    for span, score in zip(group, scores):
        if not len(span):
            continue
        if not span.label_:
            raise ValueError(
                f"In doc.spans['{key}'] '{span.text}' has no label: it can be no entity."
            )
        if score is None or not -ROUNDING <= score <= 1.0 + ROUNDING:
            raise ValueError(
                f"In doc.spans['{key}'] '{span.text}' has the score {score}, which is no "
                f"probability from 0 to 1."
            )
        yield span, min(max(float(score), 0.0), 1.0)


def _copy(doc: Doc, span: Span) -> Span:
    return Span(doc, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id)


@Language.factory("entities_to_spans", assigns=["doc.spans", "doc.ents"])
def make_entities_to_spans(nlp: Language, name: str, spans_key: str) -> Callable[[Doc], Doc]:
    """Create a component that moves the entities of a doc to `doc.spans`.

    Recognizers leave the entities alone that they meet. So the next one finds its own then.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        spans_key: The key in `doc.spans`. Probabilities are kept with them; an entity without one
            has 1.
    """
    return EntitiesToSpans(spans_key)


class EntitiesToSpans:
    """Moves `doc.ents` to a key of `doc.spans`."""

    def __init__(self, spans_key: str):
        self.spans_key = spans_key

    def __call__(self, doc: Doc) -> Doc:
        """Move the entities of a doc. Blocked tokens stay blocked, all others are unset."""
        set_scored_spans(doc, self.spans_key, _entities_of(doc))
        doc.set_ents([], blocked=blocked_spans(doc), default="missing")
        return doc
