"""What a model says of the places at which annotators differ, by the probability of each version.

The version of an annotator is what the annotator says of all tokens of a place: its entities, and
that the other tokens are in none. Versions exclude one another. So their probabilities, which are
exact, add up to at most 1, and the rest is that of anything else.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import minibatch

from ...common.errors import UserError
from ...data.corpus import before_component, predicted_docs, unannotated
from ...data.entity_source import EntitySource
from ...decoding import Distribution, segment_probabilities, span_probabilities_of_levels
from ...inference.recognizers import chains_of, entity_finder, entity_source
from ...pipeline.base import TrainableCRF
from ...pipeline.confidence import confidence, has_its_tokens, scored_spans
from ...tags import OUTSIDE, LabelledSpan, tags_of_span
from ..report.mentions import Mention, with_overlaps
from .disagreements import Disagreement, Version

DOCS_WITH_PLACES = 64  # at a time
Chains = Sequence[tuple[Sequence[str], Sequence[Distribution]]]
Factors = list[list[list[float]]]  # of each version of each place of each doc
CharKey = tuple[int, int, str]  # first character, end, label


class Opinion(NamedTuple):
    """What a model says of a place at which annotators differ.

    Attributes:
        probabilities: The probability of each annotator's version; None if the model has none, or
            an annotator's entities are not made of the pipeline's tokens.
        sides_with: The annotators whose version is the most probable, or is what a model without
            probabilities finds. Empty if the model finds none possible.
        other: The probability of anything else; None if unknown.
        found: What the pipeline's component finds in the text.
    """

    probabilities: dict[str, float | None]
    sides_with: tuple[str, ...]
    other: float | None
    found: tuple[Mention, ...]


def component_to_ask(nlp: Language, name: str, component: str | None, where: EntitySource) -> str:
    """Return the name of the component whose opinion counts.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        component: The name that was given, if one was.
        where: Where the annotators' entities are.

    Raises:
        UserError: If there is none, or its entities are elsewhere.
    """
    found = entity_finder(nlp, name, component)
    source = entity_source(nlp.get_pipe(found))
    if source != where:
        key = "leave out --spans-key" if source.spans_key is None else "name it with --spans-key"
        raise UserError(
            f"The component '{found}' of {name} puts entities into {source}, but those of the "
            f"annotators are in {where}: {key}."
        )
    return found


def opinions(nlp: Language, component: str, places: Sequence[Disagreement]) -> list[Opinion]:
    """Let a model judge the places at which annotators differ.

    Args:
        nlp: The pipeline.
        component: Name of the component that finds entities.
        places: The places, in the order of their texts.

    Returns:
        An opinion of each place.
    """
    of_texts: dict[int, list[Disagreement]] = {}
    for place in places:
        of_texts.setdefault(place.text.number, []).append(place)
    found: list[Opinion] = []
    for batch in minibatch(of_texts.values(), DOCS_WITH_PLACES):
        found += _of_batch(nlp, component, batch)
    return found


def _of_batch(
    nlp: Language, component: str, of_texts: Sequence[Sequence[Disagreement]]
) -> Iterator[Opinion]:
    pipe: Any = nlp.get_pipe(component)
    where = entity_source(pipe)
    made = [unannotated(nlp, places[0].text.doc) for places in of_texts]
    docs = before_component(nlp, made, component)
    placed = [[_placed(place, doc) for place in places] for doc, places in zip(docs, of_texts)]
    has_probabilities = isinstance(pipe, TrainableCRF)
    known: Factors = [[[] for _ in places] for places in placed]
    if has_probabilities:
        known = _version_probabilities(chains_of(pipe, docs), placed, where)
    after = predicted_docs(nlp, docs, [component])
    for doc, places, of_places in zip(after, placed, known):
        found = _found(doc, where)
        for place, probabilities in zip(places, of_places):
            if has_probabilities:
                yield _by_probability(place, probabilities, found)
            else:
                yield _by_entities(place, found)


class PlacedVersions(NamedTuple):
    """The different versions of a place, in the tokens of a pipeline.

    Attributes:
        start: First token of the place.
        end: Token after the last.
        versions: The different versions.
        owners: The annotators of each version.
        spans: The entities of each version; none at all if one is not made of whole tokens.
    """

    start: int
    end: int
    versions: list[Version]
    owners: list[list[str]]
    spans: list[list[Span]]

    @property
    def labels(self) -> set[str]:
        """All labels."""
        return {mention.label for version in self.versions for mention in version}


def _placed(place: Disagreement, doc: Doc) -> PlacedVersions:
    owners: dict[tuple[tuple, ...], list[str]] = {}
    for who, version in place.versions.items():
        owners.setdefault(tuple(mention.key for mention in version), []).append(who)
    versions = [place.versions[names[0]] for names in owners.values()]
    covered: Any = doc.char_span(*place.offsets, alignment_mode="expand")
    spans: list[list[Any]] = [
        [doc.char_span(m.start_char, m.end_char, label=m.label) for m in version]
        for version in versions
    ]
    fits = all(span is not None for of_version in spans for span in of_version)
    if not fits or doc.text != place.text.text:  # some tokenizers change white space
        return PlacedVersions(0, 0, versions, list(owners.values()), [])
    return PlacedVersions(covered.start, covered.end, versions, list(owners.values()), spans)


def _version_probabilities(
    chains: Chains, placed: Sequence[Sequence[PlacedVersions]], where: EntitySource
) -> Factors:
    """Compute the probability of each version of each place of each doc."""
    known = [[[1.0] * len(place.spans) for place in places] for places in placed]
    for labels, levels in chains:
        of_chain = _of_chain if len(levels) == 1 else _of_levels
        for here, new in zip(known, of_chain(labels, levels, placed, where.may_overlap)):
            here[:] = [[p * q for p, q in zip(*both)] for both in zip(here, new)]
    labels_of_chains = {label for labels, _ in chains for label in labels}
    return [
        [
            [
                p if {span.label_ for span in spans} <= labels_of_chains else 0.0
                for p, spans in zip(of_place, place.spans)
            ]
            for of_place, place in zip(of_places, places)
        ]
        for of_places, places in zip(known, placed)
    ]


def _of_chain(
    labels: Sequence[str],
    levels: Sequence[Distribution],
    placed: Sequence[Sequence[PlacedVersions]],
    may_overlap: bool,
) -> Factors:
    """Return the probability that a chain has the tags of each version: 1 if it has none of them.

    Entities that can't overlap have one chain, and those that may have one for each label.
    """
    ids = {label: i for i, label in enumerate(labels)}

    def tags_of(place: PlacedVersions) -> list[list[int] | None]:
        if may_overlap and place.labels.isdisjoint(labels):
            return []
        own = ([span for span in spans if span.label_ in ids] for spans in place.spans)
        return [_tags(place, spans, ids) for spans in own]

    tags = [[tags_of(place) for place in places] for places in placed]
    segments = [
        [
            (place.start, of_version)
            for place, of_place in zip(places, of_places)
            for of_version in of_place
            if of_version is not None
        ]
        for places, of_places in zip(placed, tags)
    ]
    found = map(iter, segment_probabilities(levels[0], segments))
    return [
        [
            [0.0 if of_version is None else next(left) for of_version in of_place]
            or [1.0] * len(place.spans)
            for place, of_place in zip(places, of_places)
        ]
        for places, of_places, left in zip(placed, tags, found)
    ]


def _tags(place: PlacedVersions, spans: Sequence[Span], ids: Mapping[str, int]) -> list[int] | None:
    """Return the tags of a place's tokens; None if the spans overlap."""
    tags = [OUTSIDE] * (place.end - place.start)
    for span in spans:
        tokens = slice(span.start - place.start, span.end - place.start)
        if any(tag != OUTSIDE for tag in tags[tokens]):
            return None
        tags[tokens] = list(map(int, tags_of_span((span.start, span.end, ids[span.label_]))))
    return tags


def _of_levels(
    labels: Sequence[str],
    levels: Sequence[Distribution],
    placed: Sequence[Sequence[PlacedVersions]],
    may_overlap: bool,
) -> Factors:
    """Return the product of the probabilities that each entity is there, or is not.

    This takes entities as independent of one another, since each may be on any level.
    """
    ids = {label: i for i, label in enumerate(labels)}
    versions = [
        [
            [{_labelled(s, ids) for s in spans if s.label_ in ids} for spans in place.spans]
            for place in places
        ]
        for places in placed
    ]
    every = [
        sorted({span for of_place in of_places for own in of_place for span in own})
        for of_places in versions
    ]
    found: Factors = []
    for of_places, spans, known in zip(
        versions, every, span_probabilities_of_levels(levels, every)
    ):
        probability = dict(zip(spans, known))
        found.append([_products(of_place, probability) for of_place in of_places])
    return found


def _labelled(span: Span, ids: Mapping[str, int]) -> LabelledSpan:
    return span.start, span.end, ids[span.label_]


def _products(
    versions: Sequence[set[LabelledSpan]], probability: Mapping[LabelledSpan, float]
) -> list[float]:
    every = sorted(set().union(*versions))
    return [
        math.prod(probability[span] if span in own else 1 - probability[span] for span in every)
        for own in versions
    ]


def _by_probability(
    place: PlacedVersions, probabilities: Sequence[float], found: tuple[Mention, ...]
) -> Opinion:
    if not probabilities:
        return Opinion(dict.fromkeys(_everyone(place)), (), None, found)
    by_annotator: dict[str, float | None] = {
        who: p for owners, p in zip(place.owners, probabilities) for who in owners
    }
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    sides_with = tuple(place.owners[best]) if probabilities[best] > 0 else ()
    return Opinion(by_annotator, sides_with, max(0.0, 1.0 - sum(probabilities)), found)


def _by_entities(place: PlacedVersions, found: tuple[Mention, ...]) -> Opinion:
    """Compare the versions with what a model without probabilities finds there."""
    mentions = [mention for version in place.versions for mention in version]
    labels = {mention.label for mention in mentions}
    first, last = min(m.start_char for m in mentions), max(m.end_char for m in mentions)
    there = {
        _key(m)
        for m in found
        if m.start_char < last
        and first < m.end_char
        # Where entities may overlap, those of other labels have nothing to do with it
        and (m.shares_with is None or m.label in labels)
    }
    sides_with = [
        who
        for version, owners in zip(place.versions, place.owners)
        if set(map(_key, version)) == there
        for who in owners
    ]
    return Opinion(dict.fromkeys(_everyone(place)), tuple(sides_with), None, found)


def _key(mention: Mention) -> CharKey:
    return mention.start_char, mention.end_char, mention.label


def _everyone(place: PlacedVersions) -> list[str]:
    return [who for owners in place.owners for who in owners]


def _found(doc: Doc, where: EntitySource) -> tuple[Mention, ...]:
    """Return what the component found in a doc, with probabilities if it has some."""
    scored: dict[CharKey, float | None] = {}
    group = doc.spans.get(where.spans_key) if where.spans_key is not None else None
    if group is not None and has_its_tokens(group):
        scored = {(s.start_char, s.end_char, s.label_): p for s, p in scored_spans(group)}
    mentions = []
    for ent in where.entities(doc):
        offsets = ent.start_char, ent.end_char
        probability = scored.get((*offsets, ent.label_), confidence(ent))
        mentions.append(Mention(ent.start, ent.end, ent.label_, ent.text, *offsets, probability))
    return tuple(with_overlaps(mentions)) if where.may_overlap else tuple(mentions)


def summary_of_opinions(places: Sequence[Disagreement], found: Sequence[Opinion]) -> dict[str, Any]:
    """Count with whom a model sides.

    Args:
        places: The places.
        found: The model's opinion of each.

    Returns:
        The number of places that could be judged, of those where no annotator's version is
        possible or found, and of those where anything else is more probable than each annotator's
        version; and for each annotator the number of places, of those where the model sides with
        the annotator, and the mean probability of the annotator's version.
    """
    of_annotators: dict[str, dict[str, Any]] = {}
    n_other = n_no_side = 0
    for place, opinion in zip(places, found):
        known = [p for p in opinion.probabilities.values() if p is not None]
        n_no_side += not opinion.sides_with
        n_other += opinion.other is not None and opinion.other > max(known)
        for who in place.versions:
            of_one = of_annotators.setdefault(who, {"n": 0, "sides": 0, "probabilities": []})
            of_one["n"] += 1
            of_one["sides"] += who in opinion.sides_with
            probability = opinion.probabilities[who]
            if probability is not None:
                of_one["probabilities"].append(probability)
    for of_one in of_annotators.values():
        probabilities = of_one.pop("probabilities")
        of_one["mean_probability"] = (
            math.fsum(probabilities) / len(probabilities) if probabilities else None
        )
    return {
        "n": len(places),
        "n_no_side": n_no_side,
        "n_other": n_other,
        "annotators": dict(sorted(of_annotators.items())),
    }
