"""The component that finds entities."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps, Optimizer, set_dropout_rate

from .. import decoding, models, training
from ..decoding import Distribution, Prediction
from ..models import Potentials
from ..tags import biluo_tags
from ..training import Calibration, Loss
from . import confidence as span_scores
from . import failures, settings


class BiLSTMCRFEntityRecognizer(TrainablePipe):
    """Named entity recognizer that finds the best well-formed entities of a whole doc at once.

    It takes the place of spaCy's `ner`: the same annotations in, the same attributes out. Its
    settings are properties: setting one makes the checks that the config makes.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Potentials],
        name: str = "ner",
        *,
        incorrect_spans_key: str | None = None,
        entity_ratio: dict[str, float] | None = None,
        threshold: float | None = None,
        entity_scores: bool = True,
        spans_key: str | None = None,
        candidates_threshold: float | dict[str, float] | None = None,
        candidates_key: str = "candidates",
        candidates_max_length: int = 20,
        scorer: Callable | None = get_ner_prf,
    ):
        """Initialize a named entity recognizer.

        The settings that are not named here are those of `factory.make_bilstm_crf_ner`.

        Args:
            vocab: The shared vocabulary.
            model: Potentials of the tag sequences of each doc.
            name: The component's name, used to add entries to the losses.

        Raises:
            ValueError: If the model is of another architecture or a setting makes no sense.
        """
        models.check_architecture(model, name)
        self.vocab = vocab
        self.model = model
        self.name = name
        self._rehearsal_model: Model[list[Doc], Potentials] | None = None
        configured = {
            "incorrect_spans_key": incorrect_spans_key,
            "entity_ratio": entity_ratio,
            "threshold": threshold,
            "entity_scores": entity_scores,
            "spans_key": spans_key,
            "candidates_threshold": candidates_threshold,
            "candidates_key": candidates_key,
            "candidates_max_length": candidates_max_length,
        }
        self.cfg: dict[str, Any] = {
            **{"labels": [], **configured, **Calibration()._asdict()},
            settings.CONFIGURED: configured,
        }
        settings.check_settings(self.cfg, name)
        self.scorer = scorer
        span_scores.register_confidence()

    # What they mean is said at the factory
    incorrect_spans_key = settings.Setting()
    entity_ratio = settings.Setting()
    threshold = settings.Setting()
    entity_scores = settings.Setting()
    spans_key = settings.Setting()
    candidates_threshold = settings.Setting()
    candidates_key = settings.Setting()
    candidates_max_length = settings.Setting()

    @property
    def labels(self) -> tuple[str, ...]:
        """Entity labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def tags(self) -> list[str]:
        """BILUO tags, in the order of the columns of `emissions`."""
        return biluo_tags(self.labels)

    @property
    def label_data(self) -> list[str]:
        """Entity labels in the form that `initialize` takes and `spacy init labels` writes."""
        return list(self.cfg["labels"])

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find the entities of each doc, without changing the docs.

        Without a threshold they are those of the most probable tag sequence. With one, those for
        which the sum of (probability - threshold) is largest: each at least as probable as
        the threshold, and where candidates overlap the better ones.

        Args:
            docs: The docs to predict.

        Returns:
            Of each doc its entities and candidates, those that are in the doc already included.
        """
        docs = list(docs)
        distribution = self.distribution(docs, ignore=[[] for _ in docs])
        return decoding.decode(distribution, settings.decoding_settings(self.cfg))

    def set_annotations(self, docs: Iterable[Doc], found: list[Prediction]) -> None:
        """Set the entities of docs. Entities that are there already stay as they are.

        Args:
            docs: The docs to change.
            found: What `predict` returned.
        """
        labels = self.labels
        for doc, (entities, candidates) in zip(docs, found):
            new = span_scores.new_spans(doc, entities, labels)
            likely = span_scores.new_spans(doc, candidates, labels)
            # Those that this component found before keep their probability
            before = span_scores.scored_entities(doc, self.name)
            span_scores.add_entities(doc, [span for span, _ in new])
            if self.cfg["entity_scores"]:
                span_scores.keep_confidence(doc, [*before, *new], self.name)
                if self.cfg["spans_key"] is not None:
                    span_scores.set_scored_spans(doc, self.cfg["spans_key"], [*before, *new])
            if self.cfg["candidates_threshold"] is not None:
                span_scores.set_scored_spans(doc, self.cfg["candidates_key"], likely)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of annotated docs.

        Args:
            examples: A batch of Example objects.
            drop: The dropout rate.
            sgd: The optimizer; None or False only adds up gradients.
            losses: Losses by component name, added to.

        Returns:
            The losses.

        Raises:
            ValueError: If the annotation can't be used. Nothing is learned then.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = failures.checked_examples(examples, "update")
        if any(len(eg.predicted) and self._says_something(eg) for eg in examples):
            docs = [eg.predicted for eg in examples]
            losses[self.name] += self._learn(docs, drop, sgd, self._loss_of(examples))
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Potentials) -> Loss:
        """Loss and its gradient: -log P(annotation), the mean over the annotated docs.

        Annotation that is missing or misaligned is summed over; see
        `crf.negative_log_likelihood`.

        Args:
            examples: The batch of examples.
            scores: What the model says about their predicted docs.

        Returns:
            The loss, in nats, and its gradient.

        Raises:
            ValueError: If the loss is NaN or an entity's label is not known.
        """
        return self._loss_of(failures.checked_examples(examples, "get_loss"))(self._checked(scores))

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Move towards what the model predicted when `nlp.resume_training` was called.

        The loss is the divergence of the tag sequences' probabilities, over the labels that the
        model had then: labels added later are left free.

        Args:
            examples: A batch of Example objects; annotation is not used.
            drop: The dropout rate.
            sgd: The optimizer.
            losses: Losses by component name, added to.

        Returns:
            The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = [eg.predicted for eg in failures.checked_examples(examples, "rehearse")]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        tutor, device = self._rehearsal_model.predict(docs), self._device
        loss_of = partial(training.rehearsal_loss, device, tutor, docs, self.labels)
        losses[self.name] += self._learn(docs, drop, sgd, loss_of)
        return losses

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | dict[Any, dict[str, int]] | None = None,
    ) -> None:
        """Initialize for training, with a representative sample of examples.

        Args:
            get_examples: Returns the examples.
            nlp: The nlp object that the component is part of.
            labels: The entity labels, as `label_data` gives them here or in spaCy's `ner`. None
                takes them from the examples.

        Raises:
            ValueError: If there are no labels (spaCy's E143).
        """
        validate_get_examples(get_examples, "BiLSTMCRFEntityRecognizer.initialize")
        util.check_lexeme_norms(self.vocab, "bilstm_crf_ner")
        for label in settings.labels_to_add(labels, get_examples):
            self.add_label(label)
        self._require_labels()
        docs = [eg.predicted for eg in islice(get_examples(), 10)]
        if not docs:
            raise ValueError(Errors.E923.format(name=self.name))
        self.model.attrs["resize_output"](self.model, len(self.tags))
        self.model.initialize(X=docs)
        self.cfg.update(Calibration()._asdict())  # it was that of the weights that are gone

    def add_label(self, label: str) -> int:
        """Add an entity label. A trained model keeps what it has learned.

        Args:
            label: The label.

        Returns:
            0 if it is there already, otherwise 1.

        Raises:
            ValueError: If it is not a string (spaCy's E187), is empty, or starts with the "!" that
                used to mark negated labels (E869).
        """
        failures.check_label(label)
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self.model.has_dim("nO"):
            self.model.attrs["resize_output"](self.model, len(self.tags))
        return 1

    def emissions(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """Emission scores, before the CRF weighs one tag against the next.

        Returns:
            Unnormalised scores of each doc, float32 [tokens, tags]; the columns are `tags`.
        """
        to_numpy = NumpyOps().to_numpy
        return [to_numpy(doc) for doc in self._predict_potentials(list(docs)).emissions]

    def k_best(self, doc: Doc, k: int) -> list[tuple[list[Span], float]]:
        """The k most probable tag sequences of a doc, which is not changed.

        Args:
            doc: The doc. Entities that it has from elsewhere are part of every tag sequence.
            k: Number of tag sequences, at least 1.

        Returns:
            The entities and the exact probability of each tag sequence, the most probable first;
            fewer where there are no more.

        Raises:
            ValueError: If k is less than 1.
        """
        if k < 1:
            raise ValueError(f"k_best was asked for the {k} best: ask for at least 1.")
        if not len(doc):
            return [([], 1.0)]
        found = decoding.k_best_sequences(self.distribution([doc]), k)
        unknown = [ent for ent in doc.ents if ent.label_ not in self.labels]
        sequences = []
        for spans, probability in found:
            known = [Span(doc, start, end, self.labels[label]) for start, end, label in spans]
            entities = sorted([*known, *unknown], key=lambda span: span.start)
            sequences.append((entities, probability))
        return sequences

    def token_probabilities(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """The exact probability of each tag at each token of docs, which are not changed.

        Returns:
            Of each doc float32 [tokens, tags]; the columns are `tags`, and rows sum to 1.
        """
        return decoding.token_probabilities(self.distribution(list(docs)))

    def entropy(self, docs: Iterable[Doc]) -> list[float]:
        """How unsure the model is of docs: the entropy of all their tag sequences.

        For active learning: the doc with the largest is the one to annotate next.

        Returns:
            Nats, from 0; it grows with a doc's length.
        """
        return decoding.entropies(self.distribution(list(docs)))

    def calibrate(self, examples: Iterable[Example], *, batch_size: int = 128) -> Calibration:
        """Fit the temperature and the labels' biases, on annotation not used in training.

        They make the annotation most probable: see `calibration.fit_calibration`. The biases
        change which entities are found too: there are about as many of each label as in the
        annotation. A model that is trained further has to be calibrated again.

        Args:
            examples: Held-out examples.
            batch_size: Number of docs that the network sees at once.

        Returns:
            The temperature that scores are divided by, and what is added to the score of a tag
            sequence for each entity of each label; they are saved with the component.

        Raises:
            ValueError: If no example is annotated.
        """
        examples = [eg for eg in examples if len(eg.predicted) and training.is_annotated(eg)]
        if not examples:
            raise ValueError(
                f"Can't calibrate '{self.name}': none of the examples has entities annotated."
            )
        batches = util.minibatch((eg.predicted for eg in examples), batch_size)
        potentials = Potentials.of_batches(self._predict_potentials(batch) for batch in batches)
        annotation = training.annotation_of(examples, self.labels)
        found = training.fit_calibration(self._device, potentials, annotation, len(self.labels))
        self.cfg.update(found._asdict())
        return found

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a bytestring, with a ValueError if it does not fit."""
        with failures.explained_errors("the bytes that were given"):
            given = dict(self.cfg)
            super().from_bytes(bytes_data, exclude=exclude)
            self.cfg = settings.loaded(self.cfg, given, self.name)
            models.check_tags(self.model, len(self.tags))
        return self

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a folder, with a ValueError if it does not fit."""
        with failures.explained_errors(f"the folder {path}"):
            given = dict(self.cfg)
            super().from_disk(path, exclude=exclude)
            self.cfg = settings.loaded(self.cfg, given, self.name)
            models.check_tags(self.model, len(self.tags))
            failures.check_checksums(path, exclude)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a folder, with checksums that `from_disk` compares."""
        super().to_disk(path, exclude=exclude)
        failures.write_checksums(path)

    @property
    def _device(self) -> torch.device:
        return models.torch_device(self.model)

    def distribution(self, docs: list[Doc], ignore: list[list[Span]] | None = None) -> Distribution:
        """All that decides how probable a tag sequence of docs is.

        Args:
            docs: The docs.
            ignore: Entities of each that don't count as being there already; None for those that
                the component found itself, as their probabilities show.
        """
        if ignore is None:
            found = [span_scores.scored_entities(doc, self.name) for doc in docs]
            ignore = [[entity for entity, _ in of_doc] for of_doc in found]
        potentials = settings.calibration_of(self.cfg).applied(self._predict_potentials(docs))
        return decoding.distribution_of(docs, potentials, self.labels, ignore, self._device)

    def _loss_of(self, examples: list[Example]) -> Callable[[Potentials], Loss]:
        """The loss of annotation or of soft labels; what is wrong with them shows here, in time."""
        ratio = training.EntityRatio.from_setting(self.cfg["entity_ratio"], self.name)
        settings_of_loss = (self.labels, self.incorrect_spans_key, ratio)
        return training.loss_of(self._device, examples, *settings_of_loss)

    def _learn(
        self,
        docs: list[Doc],
        drop: float,
        sgd: Optimizer | None,
        loss_of: Callable[[Potentials], Loss],
    ) -> float:
        """One step of training; returns the loss."""
        set_dropout_rate(self.model, drop)
        potentials, backprop = self.model.begin_update(docs)
        loss, d_potentials = loss_of(self._checked(potentials))
        backprop(d_potentials)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return loss

    def _predict_potentials(self, docs: list[Doc]) -> Potentials:
        if not any(len(doc) for doc in docs):  # which not every layer can take
            return Potentials.of_no_tokens(self.model.ops, len(docs), len(self.tags))
        return self._checked(self.model.predict(docs))

    def _checked(self, potentials: Potentials) -> Potentials:
        """Fail before wrong sizes or NaN reach the CRF, where the cause is harder to see."""
        models.check_tags(self.model, len(self.tags))
        failures.check_finite(potentials, self.name)
        return potentials

    def _says_something(self, eg: Example) -> bool:
        is_known = self.entity_ratio is not None or training.soft_labels_of(eg) is not None
        return is_known or training.is_annotated(eg, self.incorrect_spans_key)
