"""What components around a CRF have in common: labels, training, saving."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from .. import models, training
from ..calibration import Calibration
from ..decoding import (
    Conditioned,
    ContradictionError,
    Corrections,
    Distribution,
    Prediction,
    conditioned,
)
from ..potentials import Potentials
from ..training import Loss
from . import checks, saving, settings
from .confidence import register_confidence
from .corrections import CorrectionError, SpansOfDocs

Self = TypeVar("Self", bound="TrainableCRF")


class TrainableCRF(TrainablePipe):
    """Base class of components whose model predicts the potentials of a CRF over BILUO tags.

    Attributes:
        model: Docs to potentials.
        cfg: The settings that are saved, with the labels and the calibration.
    """

    model: Model[list[Doc], Potentials]
    cfg: dict[str, Any]
    _gradient_mean: training.GradientMean
    # The model as it was when `nlp.resume_training` was called, and the labels that it knew
    _teacher: Model[list[Doc], Potentials] | None = None
    _n_retained: int = 0
    # Number of labels that the model was trained with, or loaded with
    _n_learned: int = 0
    # For texts of strangers: see `decoding.decode`. Not saved
    most_per_token: int | None = None

    # The factory documents these
    spans_key = settings.Setting()
    incorrect_spans_key = settings.Setting()
    resume_factor = settings.Setting()
    threshold = settings.Setting()
    candidates_threshold = settings.Setting()
    candidates_key = settings.Setting()
    candidates_max_length = settings.Setting()

    def _set_up(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Potentials],
        name: str,
        configured: dict[str, Any],
        scorer: Callable | None,
    ) -> None:
        """Set what all these components have, and check it.

        Args:
            vocab: The shared vocabulary.
            model: Predicts the potentials of each doc.
            name: The component's name.
            configured: The settings that are saved.
            scorer: The scoring method.

        Raises:
            ValueError: If the model is of another architecture or a setting is invalid.
        """
        models.check_architecture(model, name)
        self.vocab = vocab
        self.model = model
        self.name = name
        self._gradient_mean = training.GradientMean()
        self.cfg = {
            "labels": [],
            **configured,
            **self._unfitted(),
            settings.CONFIGURED: configured,
        }
        self._check_settings(self.cfg)
        self.scorer = scorer

    @property
    def _rehearsal_model(self) -> Model[list[Doc], Potentials] | None:
        return self._teacher

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: Model[list[Doc], Potentials] | None) -> None:
        """Keep a copy of the model: `nlp.resume_training` sets it. Further training retains it."""
        self._teacher = model
        self._n_retained = self._n_learned

    @property
    def labels(self) -> tuple[str, ...]:
        """Entity labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """Entity labels in the form that `initialize` takes and `spacy init labels` writes."""
        return list(self.cfg["labels"])

    def add_label(self, label: str) -> int:
        """Add an entity label. A trained model keeps what it has learned.

        Args:
            label: The label.

        Returns:
            0 if the label exists already, otherwise 1.

        Raises:
            ValueError: If it is not a string (spaCy's E187), is empty, or starts with the "!" that
                used to mark negated labels (E869).
        """
        checks.check_label(label)
        if label in self.labels:
            return 0
        if self.model.has_dim("nO"):  # first, since an exported model can't grow
            self._resize_output(len(self.labels) + 1)
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | dict[Any, dict[str, int]] | None = None,
    ) -> None:
        """Initialize the component for training, with a representative sample of examples.

        Args:
            get_examples: Returns the examples.
            nlp: The nlp object that the component is part of.
            labels: The entity labels, in the form of `label_data` here or of spaCy's `ner`. None
                takes them from the examples.

        Raises:
            ValueError: If there are no labels (spaCy's E143).
        """
        validate_get_examples(get_examples, self._method("initialize"))
        util.check_lexeme_norms(self.vocab, self.name)
        for label in settings.labels_to_add(labels, get_examples, self._annotated_labels):
            self.add_label(label)
        self._require_labels()
        self._check_settings(self.cfg)  # those by label, now that the labels are known
        docs = [eg.predicted for eg in islice(get_examples(), 10)]
        if not docs:
            raise ValueError(Errors.E923.format(name=self.name))
        self._resize_output(len(self.labels))
        self.model.initialize(X=docs)
        self.cfg.update(self._unfitted())  # what was fitted belongs to the old weights
        self._gradient_mean = training.GradientMean()
        self._n_learned = 0
        self._rehearsal_model = None

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of annotated docs.

        Gradients that are accumulated over several batches give the mean over all their docs.

        After `nlp.resume_training`, what was trained before takes only the share `resume_factor` of
        the optimizer's steps; labels added since then take whole steps.

        Args:
            examples: The batch.
            drop: The dropout rate.
            sgd: The optimizer. None or False only accumulates gradients, until `finish_update`.
            losses: Losses by component name, which this one is added to.

        Returns:
            The losses.

        Raises:
            ValueError: If the annotation can't be used. Nothing is learned then.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = checks.checked_examples(examples, self._method("update"))
        targets = [eg for eg in examples if self._has_target(eg)]
        if any(len(eg.predicted) for eg in targets):
            docs = [eg.predicted for eg in examples]
            loss_of = self._loss_of(examples)
            losses[self.name] += self._learn(docs, len(targets), drop, sgd, loss_of)
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Potentials) -> Loss:
        """Compute the loss and its gradient: -log P(annotation), the mean over annotated docs.

        The loss sums over all tags of tokens whose annotation is missing or misaligned; see
        `crf.negative_log_likelihood`.

        Args:
            examples: The batch.
            scores: What the model predicted for the predicted docs.

        Returns:
            The loss in nats, and its gradient.

        Raises:
            ValueError: If the loss is NaN or an entity has an unknown label.
        """
        loss_of = self._loss_of(checks.checked_examples(examples, self._method("get_loss")))
        return loss_of(self._checked(scores))

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn to predict what the model predicted when `nlp.resume_training` was called.

        The teacher is the model as it was then. The loss is the divergence of the tag sequences'
        probabilities from the teacher's, over the labels that it had been trained with: labels
        added since, before or after that call, are left free.

        Args:
            examples: The batch; its annotation is not used.
            drop: The dropout rate.
            sgd: The optimizer.
            losses: Losses by component name, which this one is added to.

        Returns:
            The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = checks.checked_examples(examples, self._method("rehearse"))
        docs = [eg.predicted for eg in examples]
        if self._teacher is None or not any(len(doc) for doc in docs):
            return losses
        loss_of = partial(self._teacher_loss, self._teacher.predict(docs), docs)
        losses[self.name] += self._learn(docs, len(docs), drop, sgd, loss_of)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the parameters with the gradients of all batches since the last time.

        Args:
            sgd: The optimizer.
        """
        self._gradient_mean.finish(self.model)
        resumed = self._teacher is not None and self._n_retained > 0
        # `nlp.rehearse` passes a function that collects gradients
        if resumed and isinstance(sgd, Optimizer):
            n_tags = self._count_tags(self._n_retained)
            retaining = models.RetainingOptimizer(sgd, self.resume_factor, self.model, n_tags)
            self.model.finish_update(cast(Optimizer, retaining))
        else:
            super().finish_update(sgd)

    def calibrate(self, examples: Iterable[Example], *, batch_size: int = 128) -> Calibration:
        """Fit a temperature, and a bias per label, to annotation that was not trained on.

        Args:
            examples: Held-out examples.
            batch_size: Number of docs that the network sees at once.

        Returns:
            The fitted values, which are saved with the component.

        Raises:
            ValueError: If no example is annotated.
        """
        raise NotImplementedError

    def predict_given(
        self,
        docs: Iterable[Doc],
        *,
        fixed: SpansOfDocs | None = None,
        rejected: SpansOfDocs | None = None,
    ) -> list[Prediction]:
        """Find the entities of each doc, given what is known about some spans.

        All probabilities are exact: those of the tag sequences that agree with what is known. So a
        correction also changes what is found elsewhere in the doc. Kristjansson et al.,
        Interactive Information Extraction with Constrained Conditional Random Fields (AAAI 2004).

        Args:
            docs: The docs, which stay as they are. Entities that this component has set in them
                before do not count.
            fixed: For each doc, spans that are entities of their label.
            rejected: For each doc, spans that are no entities of their label, while others that
                overlap them may be. Of a span without a label, no token is in an entity. They may
                overlap one another.

        Returns:
            For each doc its entities and candidates, the fixed spans among them.

        Raises:
            CorrectionError: If a span has an unknown label, or contradicts others or the doc.
        """
        raise NotImplementedError

    def correct(
        self,
        docs: Iterable[Doc],
        *,
        fixed: SpansOfDocs | None = None,
        rejected: SpansOfDocs | None = None,
    ) -> None:
        """Find the entities of each doc, given what is known about some spans, and set them.

        They take the place of those that this component has set before. See `predict_given`.

        Args:
            docs: The docs to change.
            fixed: For each doc, spans that are entities of their label.
            rejected: For each doc, spans that are no entities of their label or, without a label,
                have no token in an entity.

        Raises:
            CorrectionError: If a span has an unknown label, or contradicts others or the doc. All
                docs then stay as they are.
        """
        docs = list(docs)
        found = self.predict_given(docs, fixed=fixed, rejected=rejected)
        for doc in docs:
            self._forget(doc)
        self.set_annotations(docs, found)

    def sample(
        self, docs: Iterable[Doc], n: int, *, seed: int | Sequence[int] | None = None
    ) -> list[list[list[Span]]]:
        """Draw tag sequences of docs by their exact probabilities, without changing the docs.

        Whatever is counted in each sample, over all docs, varies as the model is unsure about it:
        the standard deviation over the samples is that of the count.

        Args:
            docs: The docs. Entities that other components set are part of every tag sequence of a
                `bilstm_crf_ner`.
            n: Number of tag sequences of each doc, at least 1. They are independent.
            seed: Seed of the random numbers, or one for each doc: the samples of a doc do not
                depend on the other docs then. None draws others at each call.

        Returns:
            For each doc, the entities of each tag sequence. Those of a `bilstm_crf_spans` are the
            entities of one tag sequence of each chain, before any `spans_filter`.

        Raises:
            ValueError: If n is less than 1, or there is not a seed for each doc.
        """
        if n < 1:
            raise ValueError(f"sample needs an n of at least 1, but got {n}.")
        docs = list(docs)
        if isinstance(seed, Sequence):
            if len(seed) != len(docs):
                raise ValueError(f"sample got {len(seed)} seeds for {len(docs)} docs.")
            random = [np.random.default_rng(of_doc) for of_doc in seed]
        else:
            random = [np.random.default_rng(seed)] * len(docs)
        return self._sampled(docs, n, random)

    def unknown_words(self, docs: Iterable[Doc]) -> list[int] | None:
        """Count the words of docs that the model knows neither from training nor by a vector.

        Args:
            docs: The docs.

        Returns:
            The number for each doc, without white space; None if the model has no words of its own,
            as one with a transformer or a `tok2vec` of spaCy's.
        """
        return models.count_unknown_words(self.model, list(docs))

    def from_bytes(self: Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a bytestring.

        Args:
            bytes_data: What `to_bytes` returned.
            exclude: Names of parts not to load.

        Returns:
            The component.

        Raises:
            ValueError: If the bytes are damaged or belong to another component.
        """
        with saving.explained_errors("the bytes that were given"):
            given = dict(self.cfg)
            super().from_bytes(bytes_data, exclude=exclude)
            self._check_loaded(given)
        return self

    def from_disk(self: Self, path: str | Path, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a folder.

        Args:
            path: The folder.
            exclude: Names of parts not to load.

        Returns:
            The component.

        Raises:
            ValueError: If files are damaged or belong to another component.
        """
        with saving.explained_errors(f"the folder {path}"):
            given = dict(self.cfg)
            super().from_disk(path, exclude=exclude)
            self._check_loaded(given)
            saving.check_checksums(path, exclude)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a folder, with checksums for `from_disk` to compare.

        Args:
            path: The folder.
            exclude: Names of parts not to save.
        """
        super().to_disk(path, exclude=exclude)
        saving.write_checksums(path)

    def __setstate__(self, state: Any) -> None:
        """Restore a pickled component, in a process where none may have been created."""
        super().__setstate__(state)
        register_confidence()

    def _forget(self, doc: Doc) -> None:
        """Remove what this component has set in a doc, if `set_annotations` would keep it."""

    def _conditioned(
        self, distribution: Distribution, docs: list[Doc], number: int, known: Corrections
    ) -> Conditioned:
        """Condition the distribution over a doc's tag sequences on corrections.

        Raises:
            CorrectionError: If no tag sequence agrees with them.
        """
        try:
            return conditioned(distribution, number, known)
        except ContradictionError as error:
            span = docs[number][error.start : error.end]
            raise CorrectionError(
                f"'{self.name}' can't take the span at the characters {span.start_char}-"
                f"{span.end_char} as it is said to be: {error.reason}."
            ) from None

    def _method(self, name: str) -> str:
        """Return the full name of a method, for messages."""
        return f"{type(self).__name__}.{name}"

    def _resize_output(self, n_labels: int) -> None:
        self.model.attrs["resize_output"](self.model, self._count_tags(n_labels))

    @staticmethod
    def _unfitted() -> dict[str, Any]:
        """Return the values among the settings that are fitted to held-out annotation."""
        return {**Calibration()._asdict(), settings.LEAST_OF_SET: None}

    def _check_loaded(self, given: dict[str, Any]) -> None:
        """Merge the loaded settings with those of the config, and check that the model fits."""
        self.cfg = settings.merge_loaded(self.cfg, given)
        self._check_settings(self.cfg)
        models.check_tags(self.model, self._count_tags(len(self.labels)))
        self._n_learned = len(self.labels)

    def _check_settings(self, cfg: dict[str, Any]) -> None:
        """Check settings before they are set."""
        settings.check_settings(cfg, self.name)

    def _count_tags(self, n_labels: int) -> int:
        """Return the number of tags, of all chains together."""
        raise NotImplementedError

    def _annotated_labels(self, reference: Doc) -> Iterable[str]:
        """Return the labels of the annotation."""
        raise NotImplementedError

    def _has_target(self, eg: Example) -> bool:
        """Check whether there is anything to learn from an example."""
        raise NotImplementedError

    def _loss_of(self, examples: list[Example]) -> Callable[[Potentials], Loss]:
        """Check a batch, before the model runs, and return its loss function."""
        raise NotImplementedError

    def _teacher_loss(self, teacher: Potentials, docs: list[Doc], scores: Potentials) -> Loss:
        """Compute the divergence from the teacher, over the labels that it was trained with."""
        raise NotImplementedError

    def _sampled(
        self, docs: list[Doc], n: int, random: Sequence[np.random.Generator]
    ) -> list[list[list[Span]]]:
        """Draw the entities of tag sequences of docs, by the random numbers of each doc."""
        raise NotImplementedError

    def _learn(
        self,
        docs: list[Doc],
        n_targets: int,
        drop: float,
        sgd: Optimizer | None,
        loss_of: Callable[[Potentials], Loss],
    ) -> float:
        """Take one training step on the mean loss of `n_targets` docs, and return the loss."""
        set_dropout_rate(self.model, drop)
        potentials, backprop = self.model.begin_update(docs)
        loss, d_potentials = loss_of(self._checked(potentials))
        weight = self._gradient_mean.weight(n_targets)
        backprop(d_potentials if weight == 1.0 else d_potentials.scaled(weight))
        self._n_learned = len(self.labels)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return loss * weight

    def _predict_potentials(self, docs: list[Doc]) -> Potentials:
        if not any(len(doc) for doc in docs):  # which some layers can't take
            return self._no_potentials(len(docs))
        return self._checked(self.model.predict(docs))

    def _no_potentials(self, n_docs: int) -> Potentials:
        """Return potentials for docs without tokens."""
        n_tags = self._count_tags(len(self.labels))
        return Potentials.of_no_tokens(self.model.ops, n_docs, n_tags)

    def _potentials_of(self, examples: list[Example], batch_size: int) -> Potentials:
        """Predict the potentials of examples, some docs at a time."""
        batches = util.minibatch((eg.predicted for eg in examples), batch_size)
        return Potentials.of_batches(self._predict_potentials(batch) for batch in batches)

    def _fit_calibration(
        self, chains: Sequence[tuple[Potentials, training.Annotation]]
    ) -> Calibration:
        """Fit the calibration and save it with the component: see `training.fit_calibration`."""
        found = training.fit_calibration(chains, len(self.labels))
        found.check(len(self.labels), self.name)
        self.cfg.update({**self._unfitted(), **found._asdict()})
        return found

    def _checked(self, potentials: Potentials) -> Potentials:
        """Return potentials after checking them, before wrong sizes or NaN reach the CRF."""
        models.check_tags(self.model, self._count_tags(len(self.labels)))
        checks.check_finite(potentials, self.name)
        return potentials
