"""The component that finds entities."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps

from .. import decoding, training
from ..calibration import Calibration
from ..decoding import Distribution, Prediction
from ..potentials import Potentials
from ..tags import LabelledSpan, biluo_tags, count_tags
from ..training import Loss
from . import checks, settings
from . import confidence as span_scores
from .base import TrainableCRF
from .corrections import SpansOfDocs, corrections_of

MOST_OF_SET = 1000


class SequenceSet(NamedTuple):
    """The set of a doc's tag sequences that is to contain the right one.

    Attributes:
        sequences: The entities and the probability of each, the most probable first.
        is_complete: Whether these are all. If not, the set has more than were asked for.
    """

    sequences: list[tuple[list[Span], float]]
    is_complete: bool


class BiLSTMCRFEntityRecognizer(TrainableCRF):
    """Named entity recognizer that finds the best entities of a whole doc at once.

    A drop-in replacement for spaCy's `ner`: it learns from the same annotation and sets the same
    attributes. Its settings are properties, checked when they are set as the config checks them.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Potentials],
        name: str = "ner",
        *,
        incorrect_spans_key: str | None = None,
        entity_ratio: dict[str, float] | None = None,
        resume_factor: float = 0.025,
        threshold: float | dict[str, float] | None = None,
        entity_scores: bool = True,
        spans_key: str | None = None,
        candidates_threshold: float | dict[str, float] | None = None,
        candidates_key: str = "candidates",
        candidates_max_length: int = 20,
        scorer: Callable | None = get_ner_prf,
    ):
        """Initialize a named entity recognizer.

        `factory.make_bilstm_crf_ner` documents the settings that are not listed here.

        Args:
            vocab: The shared vocabulary.
            model: Predicts the potentials of the tag sequences of each doc.
            name: The component's name, used to add entries to the losses.

        Raises:
            ValueError: If the model is of another architecture or a setting is invalid.
        """
        configured = {
            "incorrect_spans_key": incorrect_spans_key,
            "entity_ratio": entity_ratio,
            "resume_factor": resume_factor,
            "threshold": threshold,
            "entity_scores": entity_scores,
            "spans_key": spans_key,
            "candidates_threshold": candidates_threshold,
            "candidates_key": candidates_key,
            "candidates_max_length": candidates_max_length,
        }
        self._set_up(vocab, model, name, configured, scorer)
        span_scores.register_confidence()

    # The factory documents these
    entity_ratio = settings.Setting()
    entity_scores = settings.Setting()

    @property
    def tags(self) -> list[str]:
        """BILUO tags, in the order of the columns of `emissions`."""
        return biluo_tags(self.labels)

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find the entities of each doc, without changing the docs.

        Without a threshold these are the entities of the most probable tag sequence. With a
        threshold, the set without overlap that maximizes the sum of (probability - threshold), each
        entity with the threshold of its label.

        Args:
            docs: The docs.

        Returns:
            For each doc its entities and candidates, with the entities that the doc has already.
        """
        docs = list(docs)
        distribution = self.distribution(docs, ignore=[[] for _ in docs])
        wanted = settings.decoding_settings(self.cfg)
        return decoding.decode(distribution, wanted, self.most_per_token)

    def predict_given(
        self,
        docs: Iterable[Doc],
        *,
        fixed: SpansOfDocs | None = None,
        rejected: SpansOfDocs | None = None,
    ) -> list[Prediction]:
        """Find the entities of each doc, given what is known about some spans.

        See `TrainableCRF.predict_given`.

        Args:
            docs: The docs, which stay as they are. Entities of other components stay, too.
            fixed: For each doc, spans that are entities of their label.
            rejected: For each doc, spans that are no entities of their label or, without a label,
                have no token in an entity.

        Returns:
            For each doc its entities and candidates, the fixed spans among them.

        Raises:
            CorrectionError: If a span has an unknown label, or contradicts others or the doc.
        """
        docs = list(docs)
        known = corrections_of(docs, fixed, rejected, self.labels, self.name)
        wanted = settings.decoding_settings(self.cfg)
        distribution = self.distribution(docs)
        found = []
        for i, of_doc in enumerate(known):
            given = self._conditioned(distribution, docs, i, of_doc)
            (prediction,) = decoding.decode(
                given.distribution, given.settings(wanted), self.most_per_token
            )
            found.append(given.in_own_labels(prediction))
        return found

    def set_annotations(self, docs: Iterable[Doc], found: list[Prediction]) -> None:
        """Set the entities of docs. Entities that a doc has already stay as they are.

        Args:
            docs: The docs to change.
            found: What `predict` returned.
        """
        labels = self.labels
        for doc, (entities, candidates) in zip(docs, found):
            new = span_scores.new_spans(doc, entities, labels)
            likely = span_scores.new_spans(doc, candidates, labels)
            # Entities that this component set before keep their probability
            before = span_scores.scored_entities(doc, self.name)
            span_scores.add_entities(doc, [span for span, _ in new])
            if self.cfg["entity_scores"]:
                span_scores.keep_confidence(doc, [*before, *new], self.name)
                if self.cfg["spans_key"] is not None:
                    span_scores.set_scored_spans(doc, self.cfg["spans_key"], [*before, *new])
            if self.cfg["candidates_threshold"] is not None:
                span_scores.set_scored_spans(doc, self.cfg["candidates_key"], likely)

    def emissions(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """Return the emission scores of docs, before the CRF weighs one tag against the next.

        Args:
            docs: The docs.

        Returns:
            Unnormalized scores of each doc, float32 [n_tokens, n_tags]; the columns are `tags`.
        """
        to_numpy = NumpyOps().to_numpy
        return [to_numpy(doc) for doc in self._predict_potentials(list(docs)).emissions]

    def k_best(
        self,
        doc: Doc,
        k: int,
        *,
        fixed: Iterable[Span] = (),
        rejected: Iterable[Span] = (),
    ) -> list[tuple[list[Span], float]]:
        """Find the k most probable tag sequences of a doc, without changing the doc.

        Args:
            doc: The doc. Entities that other components set are part of every tag sequence.
            k: Number of tag sequences, at least 1.
            fixed: Spans that are known to be entities: see `predict_given`.
            rejected: Spans that are known not to be.

        Returns:
            The entities and the exact probability of each tag sequence, the most probable first;
            fewer than k where there are no more.

        Raises:
            ValueError: If k is less than 1, or a span has an unknown label or contradicts others.
        """
        if k < 1:
            raise ValueError(f"k_best needs a k of at least 1, but got {k}.")
        (known,) = corrections_of([doc], [fixed], [rejected], self.labels, self.name)
        if not len(doc):
            return [([], 1.0)]
        given = self._conditioned(self.distribution([doc]), [doc], 0, known)
        return [
            (self._entities(doc, map(given.in_own_label, spans)), probability)
            for spans, probability in decoding.k_best_sequences(given.distribution, k)
        ]

    @property
    def least_of_set(self) -> float | None:
        """Least probability of a tag sequence in a doc's set; None if it was not fitted.

        `workflows.calibrate` fits it, with `coverage`. Other calibration or training makes it void.
        """
        return self.cfg.get(settings.LEAST_OF_SET)

    @least_of_set.setter
    def least_of_set(self, least: float | None) -> None:
        if least is not None and not 0.0 < least <= 1.0:
            raise ValueError(
                f"The least_of_set of '{self.name}' is {least!r}, but it must be a probability "
                f"above 0, or None."
            )
        self.cfg[settings.LEAST_OF_SET] = least

    def sequence_set(self, doc: Doc, most: int = MOST_OF_SET) -> SequenceSet:
        """Find the set of tag sequences that contains the right one with the coverage asked for.

        It has all tag sequences with at least the probability `least_of_set`, which
        `workflows.calibrate` sets, and the most probable one in any case.

        Args:
            doc: The doc, which stays as it is.
            most: The most tag sequences to return, at least 1.

        Returns:
            The tag sequences, and whether these are all of the set.

        Raises:
            ValueError: If the component was not calibrated for a coverage, or `most` is less
                than 1.
        """
        if most < 1:
            raise ValueError(f"sequence_set needs a most of at least 1, but got {most}.")
        least = self.least_of_set
        if least is None:
            raise ValueError(
                f"'{self.name}' has no sets of tag sequences yet: run calibrate --coverage, after "
                f"any other calibration or training."
            )
        if not len(doc):
            return SequenceSet([([], 1.0)], True)
        found, is_complete = decoding.likely_sequences(self.distribution([doc]), least, most)
        sequences = [(self._entities(doc, spans), p) for spans, p in found]
        return SequenceSet(sequences, is_complete)

    def token_probabilities(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """Compute the exact probability of each tag at each token, without changing the docs.

        Args:
            docs: The docs.

        Returns:
            For each doc float32 [n_tokens, n_tags]; the columns are `tags`, and rows sum to 1.
        """
        return decoding.token_probabilities(self.distribution(list(docs)))

    def entropy(self, docs: Iterable[Doc]) -> list[float]:
        """Compute how uncertain the model is about docs: the entropy of their tag sequences.

        For active learning: annotate the docs with the largest entropy next.

        Args:
            docs: The docs.

        Returns:
            The entropy of each doc in nats, from 0; it grows with the length of the doc.
        """
        return decoding.entropies(self.distribution(list(docs)))

    def distribution(self, docs: list[Doc], ignore: list[list[Span]] | None = None) -> Distribution:
        """Return the calibrated distribution over the tag sequences of docs.

        Args:
            docs: The docs.
            ignore: For each doc, entities that do not count as preset. None ignores those that
                this component set.
        """
        if ignore is None:
            found = [span_scores.scored_entities(doc, self.name) for doc in docs]
            ignore = [[entity for entity, _ in of_doc] for of_doc in found]
        calibration = settings.calibration_of(self.cfg)
        calibration.check(len(self.labels), self.name)  # `cfg` may be changed without a check
        potentials = self._predict_potentials(docs)
        distribution = decoding.distribution_of(docs, potentials, self.labels, ignore, calibration)
        if not calibration.is_identity:
            checks.check_finite(distribution.potentials, self.name)
        return distribution

    def calibrate(self, examples: Iterable[Example], *, batch_size: int = 128) -> Calibration:
        """Fit the temperature and a bias per label to annotation that was not trained on.

        The values make the annotation most probable: see `training.fit_calibration`. The biases
        also change which entities are found, to about as many of each label as are annotated.
        Calibrate again after any further training.

        Args:
            examples: Held-out examples.
            batch_size: Number of docs that the network sees at once.

        Returns:
            The fitted values, which are saved with the component.

        Raises:
            ValueError: If no example is annotated.
        """
        examples = [eg for eg in examples if len(eg.predicted) and training.is_annotated(eg)]
        if not examples:
            raise ValueError(
                f"Can't calibrate '{self.name}': none of the examples has entities annotated."
            )
        potentials = self._potentials_of(examples, batch_size)
        return self._fit_calibration([(potentials, training.annotation_of(examples, self.labels))])

    def _forget(self, doc: Doc) -> None:
        span_scores.remove_entities(doc, self.name)

    def _sampled(
        self, docs: list[Doc], n: int, random: Sequence[np.random.Generator]
    ) -> list[list[list[Span]]]:
        drawn = decoding.sampled_sequences(self.distribution(docs), n, random)
        found = []
        for doc, of_doc in zip(docs, drawn):
            distinct = {id(spans): spans for spans in of_doc}
            entities = {key: self._entities(doc, spans) for key, spans in distinct.items()}
            found.append([[*entities[id(spans)]] for spans in of_doc])
        return found

    def _entities(self, doc: Doc, spans: Iterable[LabelledSpan]) -> list[Span]:
        """Return the entities of a tag sequence, with those whose labels it can't have."""
        known = [Span(doc, start, end, self.labels[label]) for start, end, label in spans]
        unknown = [ent for ent in doc.ents if ent.label_ not in self.labels]
        return sorted([*known, *unknown], key=lambda span: span.start)

    def _check_settings(self, cfg: dict[str, Any]) -> None:
        super()._check_settings(cfg)
        training.EntityRatio.from_setting(cfg["entity_ratio"], self.name)

    def _count_tags(self, n_labels: int) -> int:
        return count_tags(n_labels)

    def _annotated_labels(self, reference: Doc) -> Iterable[str]:
        return (ent.label_ for ent in reference.ents)

    def _has_target(self, eg: Example) -> bool:
        is_known = self.entity_ratio is not None or training.soft_labels_of(eg) is not None
        return is_known or training.is_annotated(eg, self.incorrect_spans_key)

    def _loss_of(self, examples: list[Example]) -> Callable[[Potentials], Loss]:
        ratio = training.EntityRatio.from_setting(self.entity_ratio, self.name)
        return training.loss_of(examples, self.labels, self.incorrect_spans_key, ratio)

    def _teacher_loss(self, teacher: Potentials, docs: list[Doc], scores: Potentials) -> Loss:
        known = teacher.first_tags(count_tags(self._n_retained))
        return training.teacher_loss(known, docs, self.labels, scores)
