"""The component that finds entities that may overlap."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from spacy.pipeline.spancat import spancat_score
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from .. import decoding, training
from ..calibration import Calibration
from ..constraints import allowed_by_doc
from ..decoding import Corrections, Distribution, Entity, Prediction
from ..potentials import Potentials
from ..tags import LabelledSpan, count_tags
from ..training import Loss
from . import checks, settings
from . import confidence as span_scores
from .base import TrainableCRF
from .corrections import CorrectionError, SpansOfDocs, corrections_of

SpansFilter = Callable[[Iterable[Span], Iterable[Span]], list[Span]]
TAGS_OF_CHAIN = count_tags(1)


class BiLSTMCRFSpanRecognizer(TrainableCRF):
    """Recognizer of entities that may overlap: a CRF for each label, or several.

    It takes the place of spaCy's `spancat`: it learns from the same annotation and stores what it
    finds in the same way, in `doc.spans`, but needs no suggester. All labels share one BiLSTM. Its
    settings are properties, checked when they are set as the config checks them.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Potentials],
        name: str = "spancat",
        *,
        spans_key: str = "sc",
        levels: int = 1,
        incorrect_spans_key: str | None = None,
        resume_factor: float = 0.025,
        threshold: float | dict[str, float] | None = None,
        spans_filter: SpansFilter | None = None,
        candidates_threshold: float | dict[str, float] | None = None,
        candidates_key: str = "candidates",
        candidates_max_length: int = 20,
        scorer: Callable | None = spancat_score,
    ):
        """Initialize a recognizer of entities that may overlap.

        `factory.make_bilstm_crf_spans` documents the settings that are not listed here.

        Args:
            vocab: The shared vocabulary.
            model: Predicts the potentials of each label's tag sequences for each doc.
            name: The component's name, used to add entries to the losses.

        Raises:
            ValueError: If the model is of another architecture or a setting is invalid.
        """
        configured = {
            "spans_key": spans_key,
            "levels": levels,
            "incorrect_spans_key": incorrect_spans_key,
            "resume_factor": resume_factor,
            "threshold": threshold,
            "candidates_threshold": candidates_threshold,
            "candidates_key": candidates_key,
            "candidates_max_length": candidates_max_length,
        }
        self._set_up(vocab, model, name, configured, scorer)
        span_scores.register_confidence()
        self.spans_filter = spans_filter

    @property
    def levels(self) -> int:
        """Number of chains of each label. Other than the settings, it can't be changed."""
        return int(self.cfg["levels"])

    @property
    def key(self) -> str:
        """The key in `doc.spans`, as spaCy's `spancat` calls it."""
        return str(self.cfg["spans_key"])

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find the entities of each doc, without changing the docs.

        For each label, and each of its levels, on its own: without a threshold the entities of the
        most probable tag sequence, with one the set without overlap that maximizes the sum of
        (probability - threshold).

        Args:
            docs: The docs.

        Returns:
            For each doc its entities and candidates, label by label.
        """
        docs = list(docs)
        wanted = settings.decoding_settings(self.cfg)
        found = [Prediction([], []) for _ in docs]
        for label, levels in enumerate(self.distributions(docs)):
            here = wanted.of_label(self.labels[label])
            predictions = decoding.decode_levels(levels, here, self.most_per_token)
            for of_doc, (entities, candidates) in zip(found, predictions):
                of_doc.entities.extend(entity._replace(label=label) for entity in entities)
                of_doc.candidates.extend(entity._replace(label=label) for entity in candidates)
            self._check_number(docs, found)
        return found

    def predict_given(
        self,
        docs: Iterable[Doc],
        *,
        fixed: SpansOfDocs | None = None,
        rejected: SpansOfDocs | None = None,
    ) -> list[Prediction]:
        """Find the entities of each doc, given what is known about some spans.

        See `TrainableCRF.predict_given`. Spans of different labels may overlap, and say nothing of
        one another.

        Args:
            docs: The docs, which stay as they are.
            fixed: For each doc, spans that are entities of their label.
            rejected: For each doc, spans that are no entities of their label or, without a label,
                have no token in an entity.

        Returns:
            For each doc its entities and candidates, label by label.

        Raises:
            CorrectionError: If a span has an unknown label, or contradicts others; or if the
                component has several levels, where a fixed span may be of any of them.
        """
        if self.levels > 1:
            raise CorrectionError(
                f"'{self.name}' has {self.levels} levels, and corrections need levels = 1: which "
                f"level a span is of is not known."
            )
        docs = list(docs)
        known = corrections_of(docs, fixed, rejected, self.labels, self.name)
        wanted = settings.decoding_settings(self.cfg)
        found = [Prediction([], []) for _ in docs]
        for label, (distribution,) in enumerate(self.distributions(docs)):
            here = wanted.of_label(self.labels[label])
            for i, of_doc in enumerate(known):
                given = self._conditioned(distribution, docs, i, _of_label(of_doc, label))
                (prediction,) = decoding.decode(
                    given.distribution, given.settings(here), self.most_per_token
                )
                for spans, entities in zip(found[i], prediction):
                    spans.extend(entity._replace(label=label) for entity in entities)
            self._check_number(docs, found)
        return found

    def set_annotations(self, docs: Iterable[Doc], found: list[Prediction]) -> None:
        """Store the entities of docs in `doc.spans`, in place of what is there under the key.

        Args:
            docs: The docs to change.
            found: What `predict` returned.
        """
        for doc, (entities, candidates) in zip(docs, found):
            scored = self._spans(doc, entities)
            if self.spans_filter is not None:
                kept = {_identity(span) for span in self.spans_filter([], [s for s, _ in scored])}
                scored = [each for each in scored if _identity(each[0]) in kept]
            span_scores.set_scored_spans(doc, self.cfg["spans_key"], scored)
            if self.cfg["candidates_threshold"] is not None:
                likely = self._spans(doc, candidates)
                span_scores.set_scored_spans(doc, self.cfg["candidates_key"], likely)

    def distributions(self, docs: list[Doc]) -> list[list[Distribution]]:
        """Return the calibrated distribution over the tag sequences of docs, for each chain.

        The chains are independent of one another, given a doc.

        Args:
            docs: The docs.

        Returns:
            For each label, the distributions of its levels.
        """
        calibration = settings.calibration_of(self.cfg)
        calibration.check(len(self.labels), self.name)  # `cfg` may be changed without a check
        potentials = self._predict_potentials(docs)
        chains = iter(potentials.chains())
        allowed = [allowed_by_doc(doc, training.ANY_LABEL, presets=False) for doc in docs]
        found = []
        for label in range(len(self.labels)):
            of_label = calibration._replace(
                label_biases=calibration.label_biases[label : label + 1]
            )
            levels = [of_label.applied(of_level) for of_level in islice(chains, self.levels)]
            if not calibration.is_identity:
                for of_level in levels:
                    checks.check_finite(of_level, self.name)
            found.append([Distribution(of_level, allowed) for of_level in levels])
        return found

    def entropy(self, docs: Iterable[Doc]) -> list[float]:
        """Compute how uncertain the model is about docs: the entropy of their tag sequences.

        Args:
            docs: The docs.

        Returns:
            The entropy of each doc in nats, the sum over the chains of all labels.
        """
        chains = chain.from_iterable(self.distributions(list(docs)))
        return [sum(of_doc) for of_doc in zip(*map(decoding.entropies, chains))]

    def calibrate(self, examples: Iterable[Example], *, batch_size: int = 128) -> Calibration:
        """Fit a temperature, and a bias per label, to annotation that was not trained on.

        See `BiLSTMCRFEntityRecognizer.calibrate`.

        Args:
            examples: Held-out examples.
            batch_size: Number of docs that the network sees at once.

        Returns:
            The fitted values, which are saved with the component.

        Raises:
            ValueError: If no example is annotated.
        """
        examples = [eg for eg in examples if len(eg.predicted) and self.key in eg.reference.spans]
        if not examples:
            raise ValueError(
                f"Can't calibrate '{self.name}': none of the examples has spans under "
                f"'{self.key}', not even an empty group."
            )
        chains = self._potentials_of(examples, batch_size).chains()
        annotation = training.span_annotation_of(
            examples, self.labels, self.key, levels=self.levels
        )
        return self._fit_calibration(list(zip(chains, annotation)))

    def _sampled(
        self, docs: list[Doc], n: int, random: Sequence[np.random.Generator]
    ) -> list[list[list[Span]]]:
        # A span that several levels have is one entity
        found: list[list[set[LabelledSpan]]] = [[set() for _ in range(n)] for _ in docs]
        for label, levels in enumerate(self.distributions(docs)):
            for of_level in levels:
                drawn = decoding.sampled_sequences(of_level, n, random)
                for of_doc, new in zip(found, drawn):
                    for entities, spans in zip(of_doc, new):
                        entities.update((start, end, label) for start, end, _ in spans)
        names = self.labels
        return [
            [
                [Span(doc, start, end, names[label]) for start, end, label in sorted(entities)]
                for entities in of_doc
            ]
            for doc, of_doc in zip(docs, found)
        ]

    def _check_number(self, docs: list[Doc], found: list[Prediction]) -> None:
        """Check the number of candidates of all labels so far, for texts of strangers."""
        least = settings.decoding_settings(self.cfg).minimum
        if self.most_per_token is not None and least is not None:
            n_found = np.array([len(of_doc.candidates) for of_doc in found])
            lengths = np.array([len(doc) for doc in docs])
            decoding.check_number(n_found, lengths, least, self.most_per_token)

    def _spans(self, doc: Doc, entities: Sequence[Entity]) -> list[span_scores.ScoredSpan]:
        return [
            (Span(doc, start, end, label=self.labels[label]), probability)
            for start, end, label, probability in entities
        ]

    def _check_settings(self, cfg: dict[str, Any]) -> None:
        super()._check_settings(cfg)
        levels = cfg["levels"]
        if not isinstance(levels, int) or isinstance(levels, bool) or levels < 1:
            raise ValueError(
                f"The levels of '{self.name}' are {levels!r}, but they must be a whole number from "
                f"1: so many entities of one label may contain one another."
            )

    def _count_tags(self, n_labels: int) -> int:
        return TAGS_OF_CHAIN * n_labels * self.levels

    def _resize_output(self, n_labels: int) -> None:
        n_tags, n_chains = self._count_tags(n_labels), n_labels * self.levels
        self.model.attrs["resize_output"](self.model, n_tags, n_chains=n_chains)

    def _annotated_labels(self, reference: Doc) -> Iterable[str]:
        return (span.label_ for span in reference.spans.get(self.key, []))

    def _has_target(self, eg: Example) -> bool:
        return training.is_span_annotated(eg, self.key, self.incorrect_spans_key)

    def _loss_of(self, examples: list[Example]) -> Callable[[Potentials], Loss]:
        keys = self.key, self.incorrect_spans_key
        return training.span_loss_of(examples, self.labels, *keys, self.levels)

    def _teacher_loss(self, teacher: Potentials, docs: list[Doc], scores: Potentials) -> Loss:
        total, gradients = 0.0, []
        known = teacher.chains()[: self._n_retained * self.levels]
        for of_chain, of_teacher in zip(scores.chains(), known):
            loss, gradient = training.teacher_loss(of_teacher, docs, training.ANY_LABEL, of_chain)
            total += loss
            gradients.append(gradient)
        free = [of_new.scaled(0.0) for of_new in scores.chains()[len(known) :]]
        return total, Potentials.side_by_side([*gradients, *free])

    def _no_potentials(self, n_docs: int) -> Potentials:
        empty = Potentials.of_no_tokens(self.model.ops, n_docs, TAGS_OF_CHAIN)
        return Potentials.side_by_side([empty] * (len(self.labels) * self.levels))


def _of_label(known: Corrections, label: int) -> Corrections:
    """Return what is known about the spans of a label, for the chain of this label."""
    fixed, rejected = (
        [(start, end, 0) for start, end, of in spans if of == label]
        for spans in (known.fixed, known.rejected)
    )
    return Corrections(fixed, rejected, known.outside)


def _identity(span: Span) -> tuple[int, int, int]:
    return span.start, span.end, span.label
