"""Requests -> what the pipeline finds in their texts. It knows of no HTTP."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..entities import candidates_of, entities_of, plain, recognizers

FRAMES = 5  # of a traceback that are kept
# Settings of components that a request changes
CHANGED = ("threshold", "candidates_threshold", "candidates_max_length")
# Tokens of a candidate: all that are probable enough are asked for
LONGEST = 1000


class Settings(NamedTuple):
    """What a request asks for.

    Attributes:
        threshold: See the component; None for the most probable tag sequence.
        own_threshold: Whether components keep the thresholds that they have.
        candidates: The least probability of candidates; None for no candidates.
        k_best: The number of tag sequences; None for none.
    """

    threshold: float | None = None
    own_threshold: bool = True
    candidates: float | None = None
    k_best: int | None = None


class Job(NamedTuple):
    """The texts of a request, and what it asks for."""

    texts: tuple[str, ...]
    settings: Settings


class Answer(NamedTuple):
    """What was found.

    Attributes:
        results: Of each text, as `messages.Result` says.
        n_tokens: Of all texts together.
    """

    results: list[dict[str, Any]]
    n_tokens: int


class Failed(NamedTuple):
    """A component failed on a text. What it said may hold the text, so it is not kept.

    Attributes:
        kind: The type of the exception.
        place: Where it was raised, innermost last: "file:line, in function".
    """

    kind: str
    place: list[str]

    @classmethod
    def of(cls, error: Exception) -> "Failed":
        """What may be told of an exception."""
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        place = [f"{frame.filename}:{frame.lineno}, in {frame.name}" for frame in frames]
        return cls(type(error).__name__, place)


class Annotator:
    """Annotates the texts of several requests at once.

    Not for several threads: the component's settings are changed for a request, and back.

    Args:
        nlp: The pipeline. It may have any components; settings are for each `bilstm_crf_ner`.
    """

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        self.recognizers = recognizers(nlp)
        for ner in self.recognizers:
            ner.entity_scores = True
            if ner.candidates_key == ner.spans_key or len(self.recognizers) > 1:
                ner.candidates_key = f"{ner.name}_candidates_of_service"

    @property
    def threshold(self) -> float | None:
        """The threshold of the first component that has one."""
        found = (ner.threshold for ner in self.recognizers)
        return next((threshold for threshold in found if threshold is not None), None)

    def __call__(self, jobs: Sequence[Job]) -> list[Answer | Failed]:
        """Annotate the texts of jobs, all of those with the same settings together.

        Returns:
            In the order of the jobs. A text on which a component fails spoils its own job only.
        """
        answers: dict[int, Answer | Failed] = {}
        of_settings: dict[Settings, list[int]] = {}
        for place, job in enumerate(jobs):
            of_settings.setdefault(job.settings, []).append(place)
        for settings, places in of_settings.items():
            with self._with(settings):
                answers.update(zip(places, self._annotated([jobs[place] for place in places])))
        return [answers[place] for place in range(len(jobs))]

    def _annotated(self, jobs: Sequence[Job]) -> list[Answer | Failed]:
        """Annotate jobs that have the same settings."""
        try:
            # What leaves the zone are plain values: the words of the texts are forgotten
            with self.nlp.memory_zone():
                docs = self.nlp.pipe(text for job in jobs for text in job.texts)
                return [self._answer(job, docs) for job in jobs]
        except Exception as error:  # a component may raise anything, for one text among many
            if len(jobs) == 1:
                return [Failed.of(error)]
            return [answer for job in jobs for answer in self._annotated([job])]

    def _answer(self, job: Job, docs: Iterator[Doc]) -> Answer:
        of_job = [next(docs) for _ in job.texts]
        return Answer([self._result(doc, job.settings) for doc in of_job], sum(map(len, of_job)))

    def _result(self, doc: Doc, settings: Settings) -> dict[str, Any]:
        candidates = k_best = None
        if settings.candidates is not None:
            of_all = [found for ner in self.recognizers for found in candidates_of(ner, doc)]
            candidates = sorted(of_all, key=lambda found: (found["start"], found["end"]))
        if settings.k_best is not None:
            (ner,) = self.recognizers
            k_best = [
                {
                    "probability": probability,
                    "entities": [plain(entity, None) for entity in entities],
                }
                for entities, probability in ner.k_best(doc, settings.k_best)
            ]
        return {"entities": entities_of(doc), "candidates": candidates, "k_best": k_best}

    @contextmanager
    def _with(self, settings: Settings) -> Iterator[None]:
        """Give the components what a request asks for, and take it back."""
        before = [{name: getattr(ner, name) for name in CHANGED} for ner in self.recognizers]
        try:
            for ner in self.recognizers:
                if not settings.own_threshold:
                    ner.threshold = settings.threshold
                if settings.candidates is not None:
                    ner.candidates_threshold = settings.candidates
                    ner.candidates_max_length = LONGEST
            yield
        finally:
            for ner, values in zip(self.recognizers, before):
                for name, value in values.items():
                    setattr(ner, name, value)
