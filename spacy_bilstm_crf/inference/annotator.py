"""Texts -> entities, candidates and k-best tag sequences, as plain values.

The one annotator of `annotate` and of the service: it knows of no Arrow and no HTTP.
"""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from ..common.errors import one_line
from ..data.texts import Text
from ..pipeline.confidence import confidence, has_its_tokens, scored_spans
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from .recognizers import recognizers

FRAMES = 5  # of a traceback that are kept
# Tokens of a candidate. It is far above any entity, so that probability alone decides
LONGEST_CANDIDATE = 1000

EntityDict = dict[str, Any]


class RequestSettings(NamedTuple):
    """What to find in texts.

    Attributes:
        threshold: The components' threshold; None for the most probable tag sequence.
        own_threshold: Whether components keep the thresholds that they have.
        candidates: The least probability of candidates; None for no candidates.
        k_best: The number of tag sequences; None for none.
    """

    threshold: float | None = None
    own_threshold: bool = True
    candidates: float | None = None
    k_best: int | None = None


class AnnotatedText(NamedTuple):
    """What was found in a text.

    An entity is a dict of `start` and `end`, which count characters as Python does, `text`, `label`
    and `confidence`, its probability, which is None if the pipeline knows none.

    Attributes:
        entities: The entities of the doc.
        n_tokens: The number of tokens.
        candidates: All spans that are probable enough, of all components, in the order of the text.
            None unless asked for.
        k_best: The most probable tag sequences, each with its `probability` and `entities`. None
            unless asked for.
    """

    entities: list[EntityDict]
    n_tokens: int
    candidates: list[EntityDict] | None = None
    k_best: list[dict[str, Any]] | None = None


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
        """Describe an exception."""
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        place = [f"{frame.filename}:{frame.lineno}, in {frame.name}" for frame in frames]
        kind = type(error).__name__
        return cls(f"{kind}: {one_line(error)}", kind, place)


class Annotator:
    """Annotates texts with a pipeline.

    Not for several threads at once: settings of the components are changed for a call, and restored
    after it.

    Args:
        nlp: The pipeline. It may have any components; the settings concern each `bilstm_crf_ner`.
    """

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        self.recognizers = recognizers(nlp)

    @property
    def threshold(self) -> float | None:
        """The threshold of the first component that has one."""
        found = (ner.threshold for ner in self.recognizers)
        return next((threshold for threshold in found if threshold is not None), None)

    def __call__(
        self,
        texts: Iterable[str | Text],
        settings: RequestSettings = RequestSettings(),  # noqa: B008 - never changed
    ) -> list[AnnotatedText | FailedText]:
        """Annotate texts together.

        Args:
            texts: The texts. The words of a `Text` that has some are its tokens.
            settings: What to find. `k_best` needs a pipeline with exactly one `bilstm_crf_ner`.

        Returns:
            For each text, in order, what was found, or why it could not be annotated: it is longer
            than `nlp.max_length`, or a component failed on it. Others are annotated all the same.
        """
        too_long = [(text, self._too_long(text)) for text in texts]
        with self._with(settings):
            fitting = [text for text, failure in too_long if failure is None]
            found = iter(self._annotated(fitting, settings))
            return [next(found) if failure is None else failure for _, failure in too_long]

    def _too_long(self, text: str | Text) -> FailedText | None:
        n, most = len(text if isinstance(text, str) else text.text), self.nlp.max_length
        if n <= most:
            return None
        return FailedText(f"The text has {n} characters, and max_length is {most}.", "ValueError")

    def _annotated(
        self, texts: Sequence[str | Text], settings: RequestSettings
    ) -> list[AnnotatedText | FailedText]:
        try:
            # Only plain values leave the zone: the words of the texts are forgotten
            with self.nlp.memory_zone():
                given = ((Text(t) if isinstance(t, str) else t).doc(self.nlp) for t in texts)
                return [self._annotation(doc, settings) for doc in self.nlp.pipe(given)]
        except Exception as error:  # a component may raise anything, for one text among many
            if len(texts) == 1:
                return [FailedText.of(error)]
        middle = len(texts) // 2
        halves = (texts[:middle], texts[middle:])
        return [found for half in halves for found in self._annotated(half, settings)]

    def _annotation(self, doc: Doc, settings: RequestSettings) -> AnnotatedText:
        text, candidates, k_best = doc.text, None, None
        if settings.candidates is not None:
            found = [found for ner in self.recognizers for found in read_candidates(ner, doc)]
            candidates = sorted(found, key=lambda entity: (entity["start"], entity["end"]))
        if settings.k_best is not None:
            (ner,) = self.recognizers
            k_best = [
                {
                    "probability": probability,
                    "entities": [entity_dict(entity, None, text) for entity in entities],
                }
                for entities, probability in ner.k_best(doc, settings.k_best)
            ]
        return AnnotatedText(entities_of(doc), len(doc), candidates, k_best)

    @contextmanager
    def _with(self, settings: RequestSettings) -> Iterator[None]:
        """Give the components the settings of a request, and restore their own."""
        before = [dict(ner.cfg) for ner in self.recognizers]
        taken = {ner.spans_key for ner in self.recognizers}
        try:
            for ner in reversed(self.recognizers):  # the last one to write a key keeps it
                ner.entity_scores = True
                if not settings.own_threshold:
                    ner.threshold = settings.threshold
                if settings.candidates is not None:
                    # A key of its own, unless another component may read it where it is
                    if ner.candidates_key in taken:
                        ner.candidates_key = f"candidates of {ner.name} in a request"
                    taken.add(ner.candidates_key)
                    ner.candidates_threshold = settings.candidates
                    ner.candidates_max_length = LONGEST_CANDIDATE
            yield
        finally:
            for ner, values in zip(self.recognizers, before):
                ner.cfg.update(values)


def entities_of(doc: Doc) -> list[EntityDict]:
    """Return the entities of a doc as dicts: see `AnnotatedText`."""
    text = doc.text
    return [entity_dict(ent, confidence(ent), text) for ent in doc.ents]


def read_candidates(ner: BiLSTMCRFEntityRecognizer, doc: Doc) -> list[EntityDict]:
    """Return the candidates that a component has put into a doc as dicts: see `AnnotatedText`."""
    if ner.candidates_key not in doc.spans:
        return []
    text, group = doc.text, doc.spans[ner.candidates_key]
    if not has_its_tokens(group):  # which spaCy can't read: their characters are still right
        unmerged = Doc(doc.vocab, words=["-"] * group.attrs["n_tokens"])
        group = SpanGroup(unmerged).from_bytes(group.to_bytes())
    return [entity_dict(span, score, text) for span, score in scored_spans(group)]


def entity_dict(span: Span, probability: float | None, text: str) -> EntityDict:
    """Return a span of a text as a dict: see `AnnotatedText`."""
    start, end = span.start_char, span.end_char
    return {
        "start": start,
        "end": end,
        "text": text[start:end],
        "label": span.label_,
        "confidence": probability,
    }
