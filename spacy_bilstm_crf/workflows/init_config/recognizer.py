"""The recognizer of a config: `bilstm_crf_ner`, or `bilstm_crf_spans` if entities overlap."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ...common.config_names import check_config_names
from ...common.errors import UserError, reported_errors
from ...data.entity_source import DOC_ENTS, EntitySource, overlapping_entities

DEFAULT_SPANS_KEY = "sc"  # spancat's


class Recognizer(NamedTuple):
    """The component that a config trains.

    Attributes:
        where: Where the training data have their entities.
        name: Its name in the pipeline.
        factory: Its factory.
    """

    where: EntitySource = DOC_ENTS
    name: str = "ner"
    factory: str = "bilstm_crf_ner"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings to create it with."""
        return {"spans_key": self.where.spans_key} if self.where.may_overlap else {}

    def path(self, setting: str) -> str:
        """Return the path of a setting in the config."""
        return f"components.{self.name}.{setting}"

    def score_weights(self) -> Iterator[tuple[str, float | None]]:
        """Yield its scores and their weights in the choice of the best model."""
        prefix = "ents" if self.where.spans_key is None else f"spans_{self.where.spans_key}"
        yield from ((f"{prefix}_f", 1.0), (f"{prefix}_p", 0.0), (f"{prefix}_r", 0.0))
        if not self.where.may_overlap:
            yield "ents_per_type", None
        elif self.where.spans_key != DEFAULT_SPANS_KEY:  # of which the factory has the weights
            yield from ((f"spans_{DEFAULT_SPANS_KEY}_{score}", None) for score in ("f", "p", "r"))


def span_recognizer(spans_key: str) -> Recognizer:
    """Return a `bilstm_crf_spans` that learns from a group of `doc.spans`.

    Raises:
        UserError: If a config can't have its score.
    """
    with reported_errors():
        instead = "Give the entities another key."
        check_config_names("The score of --spans-key", [f"spans_{spans_key}_f"], instead)
    return Recognizer(EntitySource(spans_key), "spancat", "bilstm_crf_spans")


def chosen_recognizer(
    docs: Sequence[Doc], overlapping: bool | None, spans_key: str | None
) -> tuple[Recognizer, list[str]]:
    """Choose the recognizer for training data.

    Args:
        docs: The training data.
        overlapping: Whether it is to be a `bilstm_crf_spans`. None chooses one if the docs have
            spans that overlap, or spans and no entities.
        spans_key: Key of its spans; None for that of `spancat`.

    Returns:
        The recognizer, and a sentence on why it is not the usual one, if it is not.

    Raises:
        UserError: If what was given contradicts itself.
    """
    if overlapping is False:
        if spans_key is not None:
            raise UserError(
                f"--spans-key {spans_key} and --no-overlapping can't be combined: without "
                f"overlapping entities, those in doc.ents are learned. Leave one out."
            )
        return Recognizer(), []
    spans = span_recognizer(DEFAULT_SPANS_KEY if spans_key is None else spans_key)
    where = spans.where
    if overlapping or spans_key is not None:
        return spans, [f"The component is bilstm_crf_spans: it learns the entities in {where}."]
    of_docs = [where.entities(doc) for doc in docs]
    n_spans, n_ents = sum(map(len, of_docs)), sum(len(doc.ents) for doc in docs)
    n_overlapping = sum(len(overlapping_entities(entities)) for entities in of_docs)
    if n_overlapping:
        instead = " Use --no-overlapping to learn those in doc.ents instead." if n_ents else ""
        return spans, [
            f"{n_overlapping:,} of the {n_spans:,} entities in {where} overlap another one, so the "
            f"component is bilstm_crf_spans.{instead}"
        ]
    if n_spans and not n_ents:
        return spans, [
            f"The entities are in {where}, not in doc.ents, so the component is bilstm_crf_spans."
        ]
    return Recognizer(), []
