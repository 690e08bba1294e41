"""Texts -> entities, candidates and k-best tag sequences, as plain values.

The one annotator of `annotate` and of the service: it knows of no Arrow and no HTTP.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..common.errors import UserError
from ..common.pipelines import pipeline_name
from ..data.corpus import after_component, before_component
from ..data.texts import Text
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..pipeline.settings import decoding_settings
from .annotated_text import (
    AnnotatedText,
    EntityDict,
    FailedText,
    dict_of,
    distinct_entities,
    entities_of,
    entity_dict,
)
from .candidates import CandidateRequest, FoundSpan, with_taken_spans
from .corrections import (
    TextCorrections,
    TokenPlaces,
    corrected_spans,
    why_no_corrections,
    with_corrections,
)
from .offsets import OffsetMapping
from .recognizers import (
    components_with_crf,
    entity_source,
    recognizers,
    require_sampler,
    why_no_k_best,
)

# Entities per token, however improbable. Prose has a few; a text may be made to have hundreds
MOST_PER_TOKEN = 50

Requests = dict[int, CandidateRequest]  # by the identity of the component


class RequestSettings(NamedTuple):
    """What to find in texts.

    Attributes:
        threshold: The components' threshold, for all labels or by label; None for the most probable
            tag sequence. Each component takes the values of its own labels.
        own_threshold: Whether components keep the thresholds that they have.
        candidates: The least probability of candidates; None for no candidates.
        k_best: The number of tag sequences; None for none.
        own_candidates: Whether to return the candidates that the components find by their own
            settings, if `candidates` is None.
        tokens: Whether to return where the tokens are.
        samples: The number of tag sequences to draw; None for none.
        seed: Seed of the samples. Those of a text depend on it, on the text and on the text's id,
            and on nothing else.
    """

    threshold: float | dict[str, float] | None = None
    own_threshold: bool = True
    candidates: float | None = None
    k_best: int | None = None
    own_candidates: bool = False
    tokens: bool = False
    samples: int | None = None
    seed: int = 0

    @property
    def with_candidates(self) -> bool:
        """Whether there are to be candidates."""
        return self.candidates is not None or self.own_candidates


class _Given(NamedTuple):
    text: Text
    known: TextCorrections | None  # about its spans


class Annotator:
    """Annotates texts with a pipeline.

    Not for several threads at once: settings of the components are changed for a call, and restored
    after it.

    Args:
        nlp: The pipeline. It may have any components; the settings concern each `bilstm_crf_ner`
            and `bilstm_crf_spans`.

    Attributes:
        components: The components that the settings concern.
    """

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        self.components = components_with_crf(nlp)

    @property
    def threshold(self) -> float | dict[str, float] | None:
        """The threshold of the first component that has one."""
        found = self.thresholds.values()
        return next((threshold for threshold in found if threshold is not None), None)

    @property
    def thresholds(self) -> dict[str, float | dict[str, float] | None]:
        """The threshold of each component: that of all labels, or that of each."""
        return {
            component.name: decoding_settings(component.cfg).thresholds_by_label
            or component.threshold
            for component in self.components
        }

    def __call__(
        self,
        texts: Iterable[str | Text],
        settings: RequestSettings = RequestSettings(),  # noqa: B008 - never changed
        corrections: Iterable[TextCorrections | None] | None = None,
    ) -> list[AnnotatedText | FailedText]:
        """Annotate texts together.

        Args:
            texts: The texts. The words of a `Text` that has some are its tokens.
            settings: What to find. `k_best` needs a pipeline with exactly one `bilstm_crf_ner`,
                `samples` one with exactly one component around a CRF.
            corrections: What is known about spans of each text, so that all else is found given
                that; None if nothing is known of any. It needs a pipeline with exactly one
                component with a CRF, and without levels.

        Returns:
            For each text, in order, what was found, or why it could not be annotated: it is longer
            than `nlp.max_length`, a component failed on it, or it has more candidates, or entities
            above the threshold, than `MOST_PER_TOKEN` allows. Others are annotated all the same.

        Raises:
            UserError: If the pipeline has no tag sequences and they are asked for, or can't be
                corrected.
        """
        too_long = [(given, self._too_long(given.text)) for given in _given(texts, corrections)]
        self._check_corrections(given for given, _ in too_long)
        with self._with(settings) as requests:
            fitting = [given for given, failure in too_long if failure is None]
            found = iter(self._annotated(fitting, settings, requests))
            return [next(found) if failure is None else failure for _, failure in too_long]

    def annotated_docs(
        self,
        texts: Iterable[str | Text],
        settings: RequestSettings = RequestSettings(),  # noqa: B008 - never changed
    ) -> list[tuple[Doc, AnnotatedText]]:
        """Annotate texts together, and keep their docs.

        A doc is as the last component leaves it, while what was found in it was taken as soon as
        its component was done.

        Args:
            texts: See `__call__`.
            settings: See `__call__`.

        Raises:
            UserError: If the pipeline has no tag sequences and they are asked for.
            Exception: What a component raised.
        """
        with self._with(settings) as requests:
            return list(self._found(_given(texts, None), settings, requests))

    def _check_corrections(self, given: Iterable["_Given"]) -> None:
        if any(each.known is not None for each in given):
            why_not = why_no_corrections(self.nlp)
            if why_not is not None:
                raise UserError(f"Corrections: {why_not}.")

    def _too_long(self, text: Text) -> FailedText | None:
        n, most = len(text.text), self.nlp.max_length
        if n <= most:
            return None
        return FailedText(f"The text has {n} characters, and max_length is {most}.", "ValueError")

    def _annotated(
        self, texts: Sequence["_Given"], settings: RequestSettings, requests: Requests
    ) -> list[AnnotatedText | FailedText]:
        try:
            # Only plain values leave the zone: the words of the texts are forgotten
            with self.nlp.memory_zone():
                return [found for _, found in self._found(texts, settings, requests)]
        except Exception as error:  # a component may raise anything, for one text among many
            if len(texts) == 1:
                return [FailedText.of(error)]
        middle = len(texts) // 2
        halves = (texts[:middle], texts[middle:])
        return [found for half in halves for found in self._annotated(half, settings, requests)]

    def _found(
        self, given: Sequence["_Given"], settings: RequestSettings, requests: Requests
    ) -> Iterator[tuple[Doc, AnnotatedText]]:
        best = self._k_best(given, settings.k_best)
        tokens = self._tokens(given) if settings.tokens else [None] * len(given)
        drawn = self._samples(given, settings)
        likely: list[list[FoundSpan]] = [[] for _ in given]
        overlapping: list[list[FoundSpan]] = [[] for _ in given]
        docs = self._docs(given, requests, likely, overlapping)
        for i, (doc, (text, _)) in enumerate(zip(docs, given, strict=True)):
            candidates = likely[i] if settings.with_candidates else None
            found = _annotation(doc, text, overlapping[i], candidates)
            yield doc, found._replace(k_best=best[i], tokens=tokens[i], samples=drawn[i])

    def _docs(
        self,
        given: Sequence["_Given"],
        requests: Requests,
        likely: Sequence[list[FoundSpan]],
        overlapping: Sequence[list[FoundSpan]],
    ) -> Iterator[Doc]:
        """Run the pipeline, and take what each component has found as soon as it is done.

        Args:
            given: The texts, and what is known about their spans.
            requests: What to take of components, beside the entities.
            likely: A list for each text, for candidates.
            overlapping: A list for each text, for entities in `doc.spans`.
        """
        docs: Iterator[Doc] = (text.doc(self.nlp) for text, _ in given)
        is_corrected = any(known is not None for _, known in given)
        for name, pipe in self.nlp.pipeline:
            if is_corrected and isinstance(pipe, TrainableCRF):
                docs = with_corrections(pipe, docs, given)
            else:
                docs = after_component(self.nlp, docs, name)
            key = entity_source(pipe).spans_key
            if key is not None:
                docs = with_taken_spans(docs, key, overlapping)
            request = requests.get(id(pipe))
            if request is not None:
                docs = request.taken(docs, likely)
        return docs

    def _k_best(
        self, given: Sequence["_Given"], k: int | None
    ) -> Sequence[list[dict[str, Any]] | None]:
        """Return the tag sequences of each text, of docs that no later component has changed."""
        if k is None:
            return [None] * len(given)
        (ner,) = recognizers(self.nlp)
        docs = self._docs_before(ner, given)
        return [_tag_sequences(ner, doc, *each, k) for doc, each in zip(docs, given)]

    def _tokens(self, given: Sequence["_Given"]) -> list[list[tuple[int, int]] | None]:
        """Return where the tokens are that the first component with a CRF sees, or else all do."""
        component = next(iter(self.components), None)
        if component is None:
            docs: Iterable[Doc] = (text.doc(self.nlp) for text, _ in given)
        else:
            docs = self._docs_before(component, given)
        return [
            list(TokenPlaces(doc, text.text).offsets.values())
            for doc, (text, _) in zip(docs, given)
        ]

    def _docs_before(self, component: TrainableCRF, given: Sequence["_Given"]) -> Iterable[Doc]:
        docs = [text.doc(self.nlp) for text, _ in given]
        return before_component(self.nlp, docs, component.name)

    def _samples(
        self, given: Sequence["_Given"], settings: RequestSettings
    ) -> Sequence[list[list[EntityDict]] | None]:
        """Draw tag sequences of each text, of docs that no later component has changed."""
        if settings.samples is None:
            return [None] * len(given)
        (component,) = self.components
        docs = list(self._docs_before(component, given))
        seeds = [_seed_of(text, settings.seed) for text, _ in given]
        drawn = component.sample(docs, settings.samples, seed=seeds)
        return [
            _sampled_entities(doc, text.text, of_doc)
            for doc, (text, _), of_doc in zip(docs, given, drawn)
        ]

    @contextmanager
    def _with(self, settings: RequestSettings) -> Iterator[Requests]:
        """Give the components the settings of a request, and restore their own.

        Raises:
            UserError: If the pipeline has no tag sequences and they are asked for.
        """
        why_not = None if settings.k_best is None else why_no_k_best(self.nlp)
        if why_not is not None:
            raise UserError(f"k_best: {why_not}.")
        if settings.samples is not None:
            require_sampler(self.nlp, pipeline_name(self.nlp))
        before = [(dict(each.cfg), each.most_per_token) for each in self.components]
        requests: Requests = {}
        try:
            for component in self.components:
                if isinstance(component, BiLSTMCRFEntityRecognizer):
                    component.entity_scores = True
                component.most_per_token = MOST_PER_TOKEN
                if not settings.own_threshold:
                    component.threshold = _of_labels(settings.threshold, component.labels)
                if settings.with_candidates:
                    requests[id(component)] = CandidateRequest(component, settings.candidates)
            yield requests
        finally:
            for component, (values, most_per_token) in zip(self.components, before):
                component.cfg.update(values)
                component.most_per_token = most_per_token


def _given(
    texts: Iterable[str | Text], corrections: Iterable[TextCorrections | None] | None
) -> list["_Given"]:
    every = [Text(text) if isinstance(text, str) else text for text in texts]
    known = [None] * len(every) if corrections is None else corrections
    return [_Given(*each) for each in zip(every, known, strict=True)]


def _of_labels(
    threshold: float | dict[str, float] | None, labels: Sequence[str]
) -> float | dict[str, float] | None:
    """Return what a threshold says of some labels."""
    if not isinstance(threshold, dict):
        return threshold
    return {label: p for label, p in threshold.items() if label in labels}


def _annotation(
    doc: Doc,
    text: Text,
    overlapping: Sequence[FoundSpan],
    candidates: Sequence[FoundSpan] | None,
) -> AnnotatedText:
    likely, place = None, OffsetMapping(doc.text, text.text)
    if candidates is not None:
        found = [dict_of(*candidate, text.text, place) for candidate in candidates]
        likely = sorted(found, key=lambda entity: (entity["start"], entity["end"]))
    in_spans = [dict_of(*span, text.text, place) for span in overlapping]
    entities = distinct_entities([*entities_of(doc, text.text), *in_spans])
    return AnnotatedText(entities, len(doc), likely)


def _tag_sequences(
    ner: BiLSTMCRFEntityRecognizer, doc: Doc, text: Text, known: TextCorrections | None, k: int
) -> list[dict[str, Any]]:
    place = OffsetMapping(doc.text, text.text)
    fixed, rejected = corrected_spans(doc, text.text, known or TextCorrections())
    least = None if fixed or rejected else ner.least_of_set
    found = ner.k_best(doc, k, fixed=fixed, rejected=rejected)
    return [
        {
            "probability": probability,
            "entities": [entity_dict(entity, None, text.text, place) for entity in entities],
            "in_set": None if least is None else i == 0 or probability >= least,
        }
        for i, (entities, probability) in enumerate(found)
    ]


def _seed_of(text: Text, seed: int) -> int:
    """Return the seed of a text's own random numbers."""
    content = json.dumps([seed, text.id, text.text])  # which escapes what is not valid UTF-8
    return int.from_bytes(blake2b(content.encode(), digest_size=16).digest(), "big")


def _sampled_entities(
    doc: Doc, text: str, samples: Sequence[Sequence[Span]]
) -> list[list[EntityDict]]:
    """Return the entities of samples, which share spans."""
    place = OffsetMapping(doc.text, text)
    distinct = {id(span): span for spans in samples for span in spans}
    found = {key: entity_dict(span, None, text, place) for key, span in distinct.items()}
    return [[found[id(span)] for span in spans] for spans in samples]
