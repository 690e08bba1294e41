"""The component that finds entities."""

import math
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterable, List, Optional, Tuple, Union

import numpy as np
import torch
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps, Optimizer, set_dropout_rate

from ..batching import Distribution
from ..constraints import allowed_by_doc, blocked_spans
from ..decoding import distribution
from ..decoding.decode import Prediction, decode
from ..decoding.entities import Entity
from ..models.bilstm_crf import check_tags, torch_device
from ..potentials import Potentials
from ..tags import biluo_tags, legal_tags
from ..training.calibration import Calibration, fit_calibration
from ..training.losses import EntityRatio, annotation_loss, annotation_of, rehearsal_loss
from .failures import check_finite, explained_errors
from .settings import check_settings, decoding_settings, setting
from .span_scores import scored_entities, set_scored_spans
from .workers import use_one_thread_in_workers


class BiLSTMCRFEntityRecognizer(TrainablePipe):
    """Named entity recognizer that finds the best well-formed entities of a whole doc at once.

    It takes the place of spaCy's `ner`: the same annotations in, the same attributes out. Its
    settings are properties: setting one makes the checks that the config makes.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Potentials],
        name: str = "ner",
        *,
        incorrect_spans_key: Optional[str] = None,
        entity_ratio: Optional[Dict[str, float]] = None,
        threshold: Optional[float] = None,
        entity_scores: bool = True,
        spans_key: Optional[str] = None,
        candidates_threshold: Optional[float] = None,
        candidates_key: str = "candidates",
        candidates_max_length: int = 20,
        scorer: Optional[Callable] = get_ner_prf,
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
        if "resize_output" not in model.attrs or not model.has_ref("output_layer"):
            raise ValueError(
                f"The model of '{name}' is a '{model.name}', which gives no emissions and "
                f"transitions. Its architecture must be 'spacy-bilstm-crf.BiLSTMCRF.v1'; other "
                f"layers go into the tok2vec of that."
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self._rehearsal_model: Optional[Model[List[Doc], Potentials]] = None
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "incorrect_spans_key": incorrect_spans_key,
            "entity_ratio": entity_ratio,
            "threshold": threshold,
            "entity_scores": entity_scores,
            "spans_key": spans_key,
            "candidates_threshold": candidates_threshold,
            "candidates_key": candidates_key,
            "candidates_max_length": candidates_max_length,
            **Calibration()._asdict(),
        }
        check_settings(self.cfg, name)
        self.scorer = scorer

    incorrect_spans_key = setting(
        "incorrect_spans_key",
        "Key in the annotation's `doc.spans` of spans that are known to be no entities.",
    )
    entity_ratio = setting(
        "entity_ratio", "How many tokens to expect in entities where annotation is missing."
    )
    threshold = setting(
        "threshold", "Probability below which an entity is left out; None where it plays no part."
    )
    entity_scores = setting("entity_scores", "Whether to work out each entity's probability.")
    spans_key = setting(
        "spans_key",
        "Key in `doc.spans` for the entities with their probabilities; None is the name.",
    )
    candidates_threshold = setting(
        "candidates_threshold", "Least probability of a candidate; None looks for none."
    )
    candidates_key = setting("candidates_key", "Key in `doc.spans` for the candidates.")
    candidates_max_length = setting("candidates_max_length", "Tokens of a candidate at most.")

    @property
    def labels(self) -> Tuple[str, ...]:
        """Entity labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def tags(self) -> List[str]:
        """BILUO tags, in the order of the columns of `emissions`."""
        return biluo_tags(self.labels)

    @property
    def label_data(self) -> List[str]:
        """Entity labels in the form that `initialize` takes and `spacy init labels` writes."""
        return list(self.cfg["labels"])

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
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
        if not any(len(doc) for doc in docs):
            return [Prediction([], []) for _ in docs]
        use_one_thread_in_workers()
        settings = decoding_settings(self.cfg)
        return decode(self._distribution_given(docs, repeat(())), settings)

    def set_annotations(self, docs: Iterable[Doc], found: List[Prediction]) -> None:
        """Set the entities of docs. Entities that are there already stay as they are.

        Args:
            docs: The docs to change.
            found: What `predict` returned.
        """
        for doc, (entities, candidates) in zip(docs, found):
            preset = list(doc.ents)
            taken = {token for ent in preset for token in range(ent.start, ent.end)}
            new, likely = (
                [entity for entity in part if entity.start not in taken]
                for part in (entities, candidates)
            )
            spans = self._spans(doc, new)
            # The default overwrites blocked tokens unless they are named
            doc.set_ents([*preset, *spans], blocked=blocked_spans(doc), default="outside")
            if self.cfg["entity_scores"]:
                # An entity that was found by this component before keeps its probability
                before = scored_entities(doc, self._scored_key)
                keys = [(ent.start, ent.end, ent.label_) for ent in preset]
                scored = [(ent, before[key]) for ent, key in zip(preset, keys) if key in before]
                scored += [(span, ent.probability) for span, ent in zip(spans, new)]
                set_scored_spans(doc, self._scored_key, scored)
            if self.cfg["candidates_threshold"] is not None:
                probabilities = [entity.probability for entity in likely]
                scored = list(zip(self._spans(doc, likely), probabilities))
                set_scored_spans(doc, self.cfg["candidates_key"], scored)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of annotated docs.

        Args:
            examples: A batch of Example objects.
            drop: The dropout rate.
            sgd: The optimizer; None or False only adds up gradients.
            losses: Losses by component name, added to.

        Returns:
            The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)  # a generator can be read once, and validation reads it
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.update")
        if not any(len(eg.predicted) and self._says_something(eg) for eg in examples):
            return losses
        set_dropout_rate(self.model, drop)
        potentials, backprop = self.model.begin_update([eg.predicted for eg in examples])
        loss, d_potentials = self.get_loss(examples, potentials)
        backprop(d_potentials)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Potentials) -> Tuple[float, Potentials]:
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
        examples = list(examples)  # a generator can be read once, and validation reads it
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.get_loss")
        self._check_potentials(scores)
        return annotation_loss(
            self._device,
            scores,
            annotation_of(examples, self.labels, self.incorrect_spans_key),
            EntityRatio.from_setting(self.cfg["entity_ratio"], self.name),
        )

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
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
        examples = list(examples)  # a generator can be read once, and validation reads it
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.rehearse")
        docs = [eg.predicted for eg in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        set_dropout_rate(self.model, drop)
        tutor = self._rehearsal_model.predict(docs)
        potentials, backprop = self.model.begin_update(docs)
        self._check_potentials(potentials)
        loss, gradient = rehearsal_loss(self._device, potentials, tutor, examples, self.labels)
        backprop(gradient)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Union[List[str], Dict[Any, Dict[str, int]]]] = None,
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
        if labels is None:
            references = (eg.reference for eg in get_examples())
            labels = sorted({ent.label_ for doc in references for ent in doc.ents})
        elif isinstance(labels, dict):  # the stock ner's: counts of labels, by action
            labels = sorted({label for counts in labels.values() for label in counts if label})
        for label in labels:
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
        if not isinstance(label, str):
            raise ValueError(f"{Errors.E187} Not a string: {label!r}.")
        if not label.strip():
            raise ValueError(f"Can't add the label {label!r}: an entity label can't be empty.")
        if label.startswith("!"):
            raise ValueError(Errors.E869.format(label=label))
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self.model.has_dim("nO"):
            self.model.attrs["resize_output"](self.model, len(self.tags))
        return 1

    def emissions(self, docs: Iterable[Doc]) -> List[np.ndarray]:
        """Emission scores, before the CRF weighs one tag against the next.

        Args:
            docs: The docs.

        Returns:
            Unnormalised scores of each doc, float32 [tokens, tags]; the columns are `tags`.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [np.zeros((0, len(self.tags)), dtype=np.float32) for _ in docs]
        to_numpy = NumpyOps().to_numpy
        return [to_numpy(doc) for doc in self._predict_potentials(docs).emissions]

    def k_best(self, doc: Doc, k: int) -> List[Tuple[List[Span], float]]:
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
        found = distribution.k_best_sequences(self._distribution([doc]), k)
        unknown = [ent for ent in doc.ents if ent.label_ not in self.labels]
        sequences = []
        for spans, probability in found:
            entities = [*self._spans(doc, [Entity(*span, math.nan) for span in spans]), *unknown]
            sequences.append((sorted(entities, key=lambda span: span.start), probability))
        return sequences

    def token_probabilities(self, docs: Iterable[Doc]) -> List[np.ndarray]:
        """The exact probability of each tag at each token of docs, which are not changed.

        Args:
            docs: The docs.

        Returns:
            Of each doc float32 [tokens, tags]; the columns are `tags`, and rows sum to 1.
        """
        return distribution.token_probabilities(self._distribution(list(docs)))

    def entropy(self, docs: Iterable[Doc]) -> List[float]:
        """How unsure the model is of docs: the entropy of all their tag sequences.

        For active learning: the doc with the largest is the one to annotate next.

        Args:
            docs: The docs.

        Returns:
            Nats, from 0; it grows with a doc's length.
        """
        return distribution.entropies(self._distribution(list(docs)))

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
        examples = [
            eg for eg in examples if len(eg.predicted) and eg.reference.has_annotation("ENT_IOB")
        ]
        if not examples:
            raise ValueError(
                f"Can't calibrate '{self.name}': none of the examples has entities annotated."
            )

        parts = [
            self._predict_potentials([eg.predicted for eg in batch])
            for batch in util.minibatch(examples, batch_size)
        ]
        emissions = [doc for part in parts for doc in part.emissions]
        potentials = replace(parts[0], emissions=emissions)
        annotation = annotation_of(examples, self.labels)
        found = fit_calibration(self._device, potentials, annotation, len(self.labels))
        self.cfg.update(found._asdict())
        return found

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a bytestring.

        Raises:
            ValueError: If it does not fit.
        """
        with explained_errors("the bytes that were given"):
            super().from_bytes(bytes_data, exclude=exclude)
            check_tags(self.model, len(self.tags))
        return self

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a folder.

        Raises:
            ValueError: If it does not fit.
        """
        with explained_errors(f"the folder {path}"):
            super().from_disk(path, exclude=exclude)
            check_tags(self.model, len(self.tags))
        return self

    @property
    def _device(self) -> torch.device:
        return torch_device(self.model)

    @property
    def _scored_key(self) -> str:
        return self.cfg["spans_key"] or self.name

    def _distribution(self, docs: List[Doc]) -> Distribution:
        """All that decides how probable a tag sequence of docs is.

        Entities that the component found itself, as their probabilities show, don't count as
        being there already.
        """
        found = [scored_entities(doc, self._scored_key) for doc in docs]
        return self._distribution_given(docs, found)

    def _distribution_given(
        self, docs: List[Doc], ignore: Iterable[Collection[Tuple[int, int, str]]]
    ) -> Distribution:
        """The same, with the entities of each doc that don't count."""
        labels = self.labels
        calibration = Calibration(*(self.cfg[name] for name in Calibration._fields))
        potentials = calibration.applied(self._predict_potentials(docs))
        allowed = [allowed_by_doc(doc, labels, ignore=of_doc) for doc, of_doc in zip(docs, ignore)]
        return Distribution(potentials, legal_tags(labels), allowed, self._device)

    def _spans(self, doc: Doc, entities: Iterable[Entity]) -> List[Span]:
        labels = self.labels
        return [Span(doc, ent.start, ent.end, label=labels[ent.label]) for ent in entities]

    def _predict_potentials(self, docs: List[Doc]) -> Potentials:
        potentials = self.model.predict(docs)
        self._check_potentials(potentials)
        return potentials

    def _check_potentials(self, potentials: Potentials) -> None:
        """Fail before wrong sizes or NaN reach the CRF, where the cause is harder to see."""
        check_tags(self.model, len(self.tags))
        check_finite(potentials, self.name)

    def _says_something(self, example: Example) -> bool:
        key = self.incorrect_spans_key
        return (
            self.cfg["entity_ratio"] is not None
            or example.reference.has_annotation("ENT_IOB")
            or bool(key is not None and len(example.reference.spans.get(key, [])))
        )
