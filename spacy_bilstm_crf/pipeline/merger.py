"""Components that merge the entities of several recognizers."""

import json
import warnings
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
    has_its_tokens,
    keep_confidence,
    register_confidence,
    scored_spans,
    set_scored_spans,
)
from .saving import SavedSettings

ROUNDING = 1e-6  # rounding errors that a probability may have

Block = dict[str, Any]  # a source, as a block of the config
SpanKey = tuple[int, int, int]  # first token, token after the last, hash of the label


class Source(NamedTuple):
    """The weights of a source's spans.

    Attributes:
        weight: Factor of the probability of a span.
        labels: Further factor for single labels, 1 for all others; 0 leaves a label out.
    """

    weight: float
    labels: dict[str, float]

    def weight_of(self, label: str) -> float:
        """Return the weight of a label's spans."""
        return self.weight * self.labels.get(label, 1.0)


@Language.factory(
    "entity_merger",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans", "span._.confidence"],
    default_config={"sources": {}, "scorer": {"@scorers": "spacy.ner_scorer.v1"}},
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_entity_merger(
    nlp: Language,
    name: str,
    sources: dict[str, Block],
    scorer: Callable | None,
    ents: Block | None = None,
    threshold: float = 0.5,
    spans_key: str | None = None,
) -> "EntityMerger":
    """Create a component that merges the entities of several components.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        sources: A block for each key of `doc.spans` to merge, with its `weight` (1) and the
            weights of single `labels` (none): a block, or a list of pairs such as
            `[["GPE:city", 0.5]]` for names that a config can't hold.
        scorer: The scoring method.
        ents: The same block for the entities that are in `doc.ents` already. None drops them.
        threshold: Minimum value of an entity: its probability times the weight, summed over the
            sources that found it.
        spans_key: Key in `doc.spans` to store the entities under with their values. None doesn't
            store them.

    Returns:
        The component.

    Raises:
        ValueError: If a setting is invalid, or would be lost in a saved config.
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


class EntityMerger(SavedSettings, Pipe):
    """Sets `doc.ents` to the best spans of all sources, without overlap.

    The value of a span is its probability times the weight of its source. Values of the same span
    and label from several sources are added up: with weights that sum to one this is the linear
    opinion pool (Stone 1961), with weights of one a vote. The selected spans are those without
    overlap that maximize the sum of (value - threshold).

    Probabilities are those of `bilstm_crf_ner` entities, and `attrs["scores"]` of groups in
    `doc.spans`, which `spancat` and `bilstm_crf_ner` set. Spans without a probability, such as
    those of a ruler, count as certain.
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

        `make_entity_merger` documents the arguments.

        Raises:
            ValueError: If a setting is invalid.
        """
        self.name = name
        self.scorer = scorer
        settings = {
            "sources": sources,
            "ents": ents,
            "threshold": threshold,
            "spans_key": spans_key,
        }
        self._configure(settings)
        register_confidence()

    def _configure(self, settings: dict[str, Any]) -> None:
        sources, ents = settings["sources"], settings["ents"]
        threshold, spans_key = settings["threshold"], settings["spans_key"]
        name = self.name
        self._blocks = {"sources": sources, "ents": ents}
        found = [_source(what, block) for what, block in _named(name, sources, ents)]
        self.sources = dict(zip(sources, found))
        self.ents = None if ents is None else found[-1]
        if spans_key in sources:
            raise ValueError(f"The spans_key of '{name}' is '{spans_key}', which is also a source.")
        if not sources:
            raise ValueError(f"'{name}' needs sources: keys of doc.spans that others set.")
        if not threshold >= 0.0:
            raise ValueError(f"The threshold of '{name}' is {threshold}, but must be 0 or above.")
        self.threshold = threshold
        self.spans_key = spans_key

    def _given(self) -> dict[str, Any]:
        return {**self._blocks, "threshold": self.threshold, "spans_key": self.spans_key}

    def __setstate__(self, state: Any) -> None:
        """Restore a pickled component, in a process where none may have been created."""
        super().__setstate__(state)  # type: ignore[misc]
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
        """Return the entities of a doc and their values, without changing the doc."""
        taken = {token for span in blocked_spans(doc) for token in range(span.start, span.end)}
        values: dict[SpanKey, float] = {}
        spans: dict[SpanKey, Span] = {}
        for source, found in self._found(doc):
            best: dict[SpanKey, float] = {}  # a span that a source has twice counts once
            for span, probability in found:
                if taken.intersection(range(span.start, span.end)):
                    continue
                key = (span.start, span.end, span.label)
                value = probability * source.weight_of(span.label_)
                best[key] = max(value, best.get(key, 0.0))
                spans.setdefault(key, span)
            for key, value in best.items():
                values[key] = values.get(key, 0.0) + value
        candidates = [Entity(*key, value) for key, value in values.items() if value > 0.0]
        chosen = best_entities(candidates, self.threshold)
        return [(_copy(doc, spans[entity.span]), entity.probability) for entity in chosen]

    def _found(self, doc: Doc) -> Iterator[tuple[Source, Iterator[ScoredSpan]]]:
        """Yield each source and its spans."""
        for key, source in self.sources.items():
            yield source, _spans_of(doc, key)
        if self.ents is not None:
            yield self.ents, _entities_of(doc)

    def set_annotations(self, doc: Doc, entities: list[ScoredSpan]) -> None:
        """Set the entities of a doc, replacing those that are there.

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
    """Yield a description and the block of each source; that of the entities comes last."""
    for key, block in sources.items():
        yield f"the source '{key}' of '{name}'", block
    if ents is not None:
        yield f"the ents of '{name}'", ents


def _source(what: str, block: Block) -> Source:
    unknown = set(block) - set(Source._fields)
    if unknown:
        raise ValueError(
            f"There is an unknown {', '.join(sorted(unknown))} in {what}: only weight and labels "
            f"are allowed."
        )
    weight, labels = block.get("weight", 1.0), block.get("labels") or {}
    try:
        labels = dict(labels)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"In {what} the labels are {labels!r}, but they must be a block of weights, or pairs."
        ) from error
    for value in (weight, *labels.values()):
        if not isinstance(value, (int, float)) or not value >= 0.0:
            raise ValueError(
                f"There is a weight of {value!r} in {what}, but weights must be 0 or above."
            )
    return Source(float(weight), labels)


def _entities_of(doc: Doc) -> Iterator[ScoredSpan]:
    """Yield the entities of a doc and their probabilities."""
    for ent in doc.ents:
        known = confidence(ent)
        yield ent, 1.0 if known is None else known


def _spans_of(doc: Doc, key: str) -> Iterator[ScoredSpan]:
    """Yield the spans of a source and their probabilities."""
    if key not in doc.spans:
        raise ValueError(
            f"A doc has nothing under '{key}' in doc.spans: put the component that sets it before "
            f"the merger, or remove it from the sources. A bilstm_crf_ner sets candidates only if "
            f"its candidates_threshold is set. The doc has: {', '.join(doc.spans) or 'no keys'}."
        )
    group = doc.spans[key]
    if not has_its_tokens(group):
        raise ValueError(
            f"The tokens of the doc have changed since doc.spans['{key}'] was set: merge or split "
            f"tokens before the component that sets it."
        )
    is_scored = group.attrs.get("scores") is not None
    if not is_scored and group.has_overlap:
        warnings.warn(
            f"The spans of doc.spans['{key}'] overlap and have no scores, so that each counts as "
            f"certain. If they had some, put the component that drops them, such as spacy-llm's, "
            f"before the one that sets the spans.",
            stacklevel=2,
        )
    for span, score in scored_spans(group):
        score = score if is_scored else 1.0
        if not len(span):
            continue
        if not span.label_:
            raise ValueError(
                f"In doc.spans['{key}'] '{span.text}' has no label, so it can't be an entity."
            )
        if score is None or not -ROUNDING <= score <= 1.0 + ROUNDING:
            raise ValueError(
                f"In doc.spans['{key}'] '{span.text}' has the score {score}, which is not a "
                f"probability from 0 to 1."
            )
        yield span, min(max(score, 0.0), 1.0)


def _copy(doc: Doc, span: Span) -> Span:
    return Span(doc, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id)


@Language.factory("entities_to_spans", assigns=["doc.spans", "doc.ents"])
def make_entities_to_spans(nlp: Language, name: str, spans_key: str) -> Callable[[Doc], Doc]:
    """Create a component that moves the entities of a doc to `doc.spans`.

    Recognizers keep the entities that a doc has already. Move them away for the next recognizer to
    find all of its own.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        spans_key: Key in `doc.spans` to store the entities under with their probabilities, 1 for
            entities without one.

    Returns:
        The component.
    """
    return EntitiesToSpans(spans_key)


class EntitiesToSpans(SavedSettings):
    """Moves `doc.ents` to a key of `doc.spans`."""

    def __init__(self, spans_key: str):
        self._configure({"spans_key": spans_key})

    def _configure(self, settings: dict[str, Any]) -> None:
        self.spans_key = settings["spans_key"]

    def _given(self) -> dict[str, Any]:
        return {"spans_key": self.spans_key}

    def __call__(self, doc: Doc) -> Doc:
        """Move the entities of a doc. Blocked tokens stay blocked, all others become missing."""
        set_scored_spans(doc, self.spans_key, _entities_of(doc))
        doc.set_ents([], blocked=blocked_spans(doc), default="missing")
        return doc
