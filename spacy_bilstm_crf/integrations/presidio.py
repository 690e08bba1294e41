"""Microsoft Presidio: the NLP engine whose scores are probabilities.

Presidio's own engine for spaCy gives every entity the same score, 0.85.

    engine = BiLSTMCRFNlpEngine([{"lang_code": "en", "model_name": "training/model-best"}])
    analyzer = AnalyzerEngine(nlp_engine=engine)

`NlpEngineProvider(nlp_engines=(BiLSTMCRFNlpEngine,), conf_file=...)` makes it of a file, under the
name "bilstm_crf". Needs presidio-analyzer, the extra `presidio`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..common.errors import UserError, check_at_least, check_installed
from ..common.pipelines import load_pipeline, pipeline_name
from ..inference.annotated_text import AnnotatedText, EntityDict, distinct_entities
from ..inference.annotator import Annotator, RequestSettings
from ..inference.recognizers import labels_by_component, require_crf

check_installed("presidio", "presidio_analyzer")
from presidio_analyzer.nlp_engine import (  # noqa: E402 - after the check
    NerModelConfiguration,
    NlpArtifacts,
    SpacyNlpEngine,
)

WITH_CANDIDATES = "candidates"  # key of a model


@dataclass
class Detection:
    """What Presidio's recognizers read of an entity, by the names that spaCy's `Span` has.

    Attributes:
        start_char: First character, in the text that was given.
        end_char: Character after the last.
        text: The text of the entity.
        label_: Its label, or the name that Presidio has for it.
    """

    start_char: int
    end_char: int
    text: str
    label_: str


class BiLSTMCRFNlpEngine(SpacyNlpEngine):
    """NLP engine of Presidio for pipelines with a `bilstm_crf_ner` or `bilstm_crf_spans`.

    Hand the engine to the `AnalyzerEngine` that makes the registry of recognizers, or to the
    registry: without it Presidio reports the entities of its own five names alone.

    An entity's score is its probability. One that another component has set, such as an
    `entity_ruler`, has none and gets `default_score`. Labels that are not in
    `model_to_presidio_entity_mapping` keep their names; Presidio's engine for spaCy never reports
    them. Several threads may use it, and take turns.

    Args:
        models: For each language a dict with "lang_code", "model_name" (a folder, a package or a
            loaded pipeline) and, optionally, "candidates": whether to report all candidates as
            well, by the components' own `candidates_threshold`, as `calibrate --recall` sets it.
            Candidates may overlap.
        ner_model_configuration: Presidio's settings, or a dict of them. By default PERSON, ORG, GPE
            and other labels of spaCy's pipelines have Presidio's names, and scores are not changed.

    Raises:
        UserError: If the models are no list of such dicts, or two have the same language.
    """

    engine_name = "bilstm_crf"
    is_available = True

    def __init__(
        self,
        models: list[dict[str, Any]],
        ner_model_configuration: NerModelConfiguration | dict[str, Any] | None = None,
    ) -> None:
        given = ner_model_configuration or {}
        if isinstance(given, dict):
            # None stands for what is not given, as in an empty line of a file
            given = NerModelConfiguration(**{k: v for k, v in given.items() if v is not None})
        super().__init__(models, given)
        self._given = _checked_models(models)
        self._annotators: dict[str, Annotator] = {}
        self._settings: dict[str, RequestSettings] = {}
        self._lock = Lock()

    def load(self) -> None:
        """Load the pipelines.

        Raises:
            UserError: If one can't be loaded, has no component with a CRF, or is to report
                candidates and has none.
        """
        loaded: dict[str, Language] = {}
        for language, name, with_candidates in self._given:
            nlp = load_pipeline(name)
            require_crf(nlp, pipeline_name(name), "scores")
            annotator = Annotator(nlp)
            if with_candidates:
                _check_candidates(annotator, pipeline_name(name))
            self._settings[language] = RequestSettings(own_candidates=with_candidates)
            self._annotators[language] = annotator
            loaded[language] = nlp
        self.nlp = loaded  # type: ignore[assignment] # where None stands for not loaded

    def get_supported_entities(self) -> list[str]:
        """Return the names that entities may have: of the labels of all pipelines."""
        if not self.nlp:
            raise ValueError("NLP engine is not loaded. Consider calling .load()")
        settings = self.ner_model_configuration
        mapping = settings.model_to_presidio_entity_mapping or {}
        ignored = settings.labels_to_ignore or ()
        labels = {label for nlp in self.nlp.values() for label in _labels(nlp)} - {*ignored}
        return sorted({mapping.get(label, label) for label in labels} - {*ignored})

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Find the entities of a text.

        Raises:
            UserError: If there is no pipeline for the language.
        """
        (artifacts,) = self._artifacts([text], language)
        return artifacts

    def process_batch(  # type: ignore[override] # Presidio's has two kinds of tuples, as this
        self,
        texts: Iterable[Any],
        language: str,
        batch_size: int = 1,
        n_process: int = 1,
        as_tuples: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        """Find the entities of texts, `batch_size` at a time.

        Args:
            texts: The texts; pairs of a text and its context if `as_tuples` is set.
            language: Their language.
            batch_size: How many go through the network together.
            n_process: Must be 1.
            as_tuples: Whether contexts come along.

        Yields:
            Text and artifacts, then the context if `as_tuples` is set.

        Raises:
            UserError: If `n_process` is not 1, `batch_size` is below 1, or there is no pipeline for
                the language.
            ValueError: If `as_tuples` is set and something is no pair.
        """
        if n_process != 1:
            raise UserError(
                f"n_process is {n_process}, but BiLSTMCRFNlpEngine runs in one process: raise "
                f"batch_size instead."
            )
        check_at_least(1, batch_size=batch_size)
        pairs = iter(texts) if as_tuples else ((text, None) for text in texts)
        while batch := list(islice(pairs, batch_size)):
            if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in batch):
                raise ValueError("With as_tuples, texts are tuples (text, context).")
            given = [str(text) for text, _ in batch]
            for text, found, (_, context) in zip(given, self._artifacts(given, language), batch):
                yield (text, found, context) if as_tuples else (text, found)

    def _artifacts(self, texts: list[str], language: str) -> list[NlpArtifacts]:
        if not self.nlp:
            raise ValueError("NLP engine is not loaded. Consider calling .load()")
        if language not in self._annotators:
            known = ", ".join(self._annotators)
            raise UserError(f"There is no pipeline for the language {language!r}, only: {known}.")
        for text in texts:
            if not isinstance(text, str):
                raise UserError(f"A text is a string, not {text!r:.80}.")
        with self._lock:  # the annotator is for one thread at a time
            annotated = self._annotators[language].annotated_docs(texts, self._settings[language])
        return [self._artifact(doc, found, language) for doc, found in annotated]

    def _artifact(self, doc: Doc, found: AnnotatedText, language: str) -> NlpArtifacts:
        entities = distinct_entities([*found.entities, *(found.candidates or [])])
        default = self.ner_model_configuration.default_score
        if default is None:
            default = NerModelConfiguration.model_fields["default_score"].default
        scores = [_score(entity, default) for entity in entities]
        detections: list[Any] = [
            Detection(entity["start"], entity["end"], entity["text"], entity["label"])
            for entity in entities
        ]
        mapped, scores = self._get_updated_entities(detections, scores)
        return NlpArtifacts(
            entities=mapped,
            tokens=doc,
            tokens_indices=[token.idx for token in doc],
            # Presidio looks for context words among the lemmas
            lemmas=[token.lemma_ or token.lower_ for token in doc],
            nlp_engine=self,
            language=language,
            scores=scores,
        )


def _checked_models(models: Any) -> list[tuple[str, str | Language, bool]]:
    """Return language, pipeline and whether to report candidates of each model.

    Raises:
        UserError: If there is no list of models, one for each language.
    """
    if not isinstance(models, list) or not models or not all(isinstance(x, dict) for x in models):
        raise UserError(
            f"The models are a list of dicts with lang_code and model_name, not {models!r:.200}."
        )
    given = [_settings_of(model) for model in models]
    languages = [language for language, _, _ in given]
    twice = sorted({one for one in languages if languages.count(one) > 1})
    if twice:
        raise UserError(f"There are several models for the language {twice[0]}: give one.")
    return given


def _settings_of(model: dict[str, Any]) -> tuple[str, str | Language, bool]:
    """Return language, pipeline and whether to report candidates.

    Raises:
        UserError: If something is missing or of a wrong kind.
    """
    for key, kinds in (("lang_code", str), ("model_name", (str, Language))):
        if not isinstance(model.get(key), kinds):
            hint = ' Put "no" into quotes.' if model.get(key) is False else ""
            raise UserError(
                f"A model of Presidio's configuration needs a {key}: {model!r:.200}.{hint}"
            )
    unknown = model.keys() - {"lang_code", "model_name", WITH_CANDIDATES}
    if unknown:
        raise UserError(f"A model of the bilstm_crf engine has no {', '.join(sorted(unknown))}.")
    with_candidates = model.get(WITH_CANDIDATES, False)
    if not isinstance(with_candidates, bool):
        raise UserError(f"candidates is true or false, not {with_candidates!r}.")
    return model["lang_code"], model["model_name"], with_candidates


def _check_candidates(annotator: Annotator, name: str) -> None:
    """Check that a component has candidates.

    Raises:
        UserError: If none has.
    """
    if all(component.candidates_threshold is None for component in annotator.components):
        raise UserError(
            f"{name} has no candidates: set the threshold for them with calibrate --recall, or "
            f"leave out 'candidates'."
        )


def _labels(nlp: Language) -> set[str]:
    """Return the labels of a pipeline's components that find entities."""
    return {label for labels in labels_by_component(nlp).values() for label in labels}


def _score(entity: EntityDict, default: float) -> float:
    return default if entity["confidence"] is None else float(entity["confidence"])
