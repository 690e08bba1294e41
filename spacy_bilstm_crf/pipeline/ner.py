"""The component that finds entities."""

import multiprocessing
from contextlib import contextmanager
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union, cast

import torch
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from ..constraints import blocked_spans
from ..decoding import decode
from ..models.bilstm_crf import averaged_weights, check_tags
from ..potentials import Potentials
from ..training.calibration import Calibration
from ..training.losses import EntityRate, annotation_loss, rehearsal_loss
from .span_scores import scored_entities, set_scored_spans
from .uncertainty import Uncertainty


class BiLSTMCRFEntityRecognizer(Uncertainty, TrainablePipe):
    """Named entity recognizer that finds the best well-formed entities of a whole doc at once.

    It takes the place of spaCy's `ner`: the same annotations in, the same attributes out.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Potentials],
        name: str = "ner",
        *,
        incorrect_spans_key: Optional[str] = None,
        missing_outside: Optional[Dict[str, float]] = None,
        threshold: Optional[float] = None,
        scores: bool = True,
        spans_key: Optional[str] = None,
        candidates_threshold: Optional[float] = None,
        candidates_key: str = "candidates",
        candidates_max_length: int = 20,
        scorer: Optional[Callable] = get_ner_prf,
    ):
        """Initialize a named entity recognizer.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], Potentials]): Potentials of the taggings of each doc.
        name (str): The component's name, used to add entries to the losses.
        incorrect_spans_key (Optional[str]): Key in the annotation's `doc.spans` of spans
            that are known to be no entities.
        missing_outside (Optional[Dict[str, float]]): How many tokens to expect in entities
            where annotation is missing: `rate`, `margin` and `weight`, see
            `losses.EntityRate`. None expects nothing.
        threshold (Optional[float]): Probability below which an entity is left out, 0 to 1.
            None takes the entities of the most probable tagging.
        scores (bool): Whether to work out the probability of each entity, for `span._.confidence`.
        spans_key (Optional[str]): Key in `doc.spans` for the entities with their probabilities.
            None takes the component's name.
        candidates_threshold (Optional[float]): Least probability of a candidate, 0 to 1. None
            looks for no candidates.
        candidates_key (str): Key in `doc.spans` for all spans that are so probable.
        candidates_max_length (int): Tokens that a candidate has at most.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): If the model is of another architecture or a setting makes no
            sense.
        """
        if "resize_output" not in model.attrs or not model.has_ref("output_layer"):
            raise ValueError(
                f"The model of '{name}' is a '{model.name}', which gives no emissions and "
                f"transitions. Its architecture must be 'spacy-bilstm-crf.BiLSTMCRF.v1'; other "
                f"layers go into the tok2vec of that."
            )
        for setting, value in (
            ("threshold", threshold),
            ("candidates_threshold", candidates_threshold),
        ):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(
                    f"The {setting} of '{name}' is {value}, but it is a probability: it must be "
                    f"from 0 to 1, or null for none."
                )
        if candidates_max_length < 1:
            raise ValueError(
                f"The candidates_max_length of '{name}' is {candidates_max_length}, but "
                f"candidates have at least one token."
            )
        if candidates_threshold is not None and candidates_key == (spans_key or name):
            raise ValueError(
                f"The spans_key and the candidates_key of '{name}' are both '{candidates_key}': "
                f"one would overwrite the other. Change one of them."
            )
        EntityRate.from_setting(missing_outside, name)
        self.vocab = vocab
        self.model = model
        self.name = name
        self._rehearsal_model: Optional[Model[List[Doc], Potentials]] = None
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "incorrect_spans_key": incorrect_spans_key,
            "missing_outside": missing_outside,
            "threshold": threshold,
            "scores": scores,
            "spans_key": spans_key,
            "candidates_threshold": candidates_threshold,
            "candidates_key": candidates_key,
            "candidates_max_length": candidates_max_length,
            **Calibration()._asdict(),
        }
        self.scorer = scorer

    @property
    def label_data(self) -> List[str]:
        """Entity labels in the form that `initialize` takes and `spacy init labels` writes."""
        return list(self.cfg["labels"])

    @property
    def incorrect_spans_key(self) -> Optional[str]:
        """Key in the annotation's `doc.spans` of spans that are known to be no entities."""
        return self.cfg["incorrect_spans_key"]

    @property
    def threshold(self) -> Optional[float]:
        """Probability below which an entity is left out; None where it plays no part."""
        return self.cfg["threshold"]

    def predict(self, docs: Iterable[Doc]) -> List[decode.Prediction]:
        """Find the entities of each doc, without changing the docs.

        Without a threshold they are those of the most probable tagging. With one, those for
        which the sum of (probability - threshold) is largest: each at least as probable as
        the threshold, and where candidates overlap the better ones.

        docs (Iterable[Doc]): The docs to predict.
        RETURNS (List[Prediction]): Of each doc its entities and candidates, those that are
            in the doc already included.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [decode.Prediction([], []) for _ in docs]
        _use_one_thread_in_workers()
        wanted = decode.Wanted(*(self.cfg[name] for name in decode.Wanted._fields))
        return decode.predict(self._device, *self._distribution_given(docs, repeat(())), wanted)

    def set_annotations(self, docs: Iterable[Doc], found: List[decode.Prediction]) -> None:
        """Set the entities of docs. Entities that are there already stay as they are.

        docs (Iterable[Doc]): The docs to change.
        found (List[Prediction]): What `predict` returned.
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
            if self.cfg["scores"]:
                # An entity that was found by this component before keeps its probability
                before = scored_entities(doc, self.spans_key)
                keys = [(ent.start, ent.end, ent.label_) for ent in preset]
                scored = [(ent, before[key]) for ent, key in zip(preset, keys) if key in before]
                scored += [(span, ent.probability) for span, ent in zip(spans, new)]
                set_scored_spans(doc, self.spans_key, scored)
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

        examples (Iterable[Example]): A batch of Example objects.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer; None or False only adds up gradients.
        losses (Optional[Dict[str, float]]): Losses by component name, added to.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.update")
        examples = list(examples)
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

        examples (Iterable[Example]): The batch of examples.
        scores (Potentials): What the model says about their predicted docs.
        RETURNS (Tuple[float, Potentials]): The loss, in nats, and its gradient.
        RAISES (ValueError): If the loss is NaN or an entity's label is not known.
        """
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.get_loss")
        examples = list(examples)
        self._check_potentials(scores)
        return annotation_loss(
            self._device,
            scores,
            examples,
            self.labels,
            self.incorrect_spans_key,
            EntityRate.from_setting(self.cfg["missing_outside"], self.name),
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

        The loss is the divergence of the taggings' probabilities, over the labels that the
        model had then: labels added later are left free.

        examples (Iterable[Example]): A batch of Example objects; annotation is not used.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): Losses by component name, added to.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        validate_examples(examples, "BiLSTMCRFEntityRecognizer.rehearse")
        examples = list(examples)
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
            # nlp.rehearse uses the gradients later, when the shim has zeroed its own
            self.model.finish_update(cast(Optimizer, _with_copied_gradients(sgd)))
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

        get_examples (Callable[[], Iterable[Example]]): Returns the examples.
        nlp (Optional[Language]): The nlp object that the component is part of.
        labels (Optional[Union[List[str], Dict]]): The entity labels, as `label_data` gives
            them here or in spaCy's `ner`. None takes them from the examples.
        RAISES (ValueError): If there are no labels (spaCy's E143).
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

        label (str): The label.
        RETURNS (int): 0 if it is there already, otherwise 1.
        RAISES (ValueError): If it is not a string (spaCy's E187), is empty, or starts with
            the "!" that used to mark negated labels (E869).
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

    def use_params(self, params: Dict) -> Iterator[None]:
        """Use the given parameter values for a while, such as an optimizer's averages.

        params (Dict): Parameter values by key, as in `optimizer.averages`.
        """
        # Not decorated: Language.use_params steps through it with next(), as for every pipe
        with self.model.use_params(params), averaged_weights(self.model, params):
            yield

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a bytestring. RAISES (ValueError): If it does not fit."""
        with _explained_errors("the bytes that were given"):
            super().from_bytes(bytes_data, exclude=exclude)
            check_tags(self.model, len(self.tags))
        return self

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "BiLSTMCRFEntityRecognizer":
        """Load the component from a folder. RAISES (ValueError): If it does not fit."""
        with _explained_errors(f"the folder {path}"):
            super().from_disk(path, exclude=exclude)
            check_tags(self.model, len(self.tags))
        return self

    def _says_something(self, example: Example) -> bool:
        key = self.incorrect_spans_key
        return (
            self.cfg["missing_outside"] is not None
            or example.reference.has_annotation("ENT_IOB")
            or bool(key is not None and len(example.reference.spans.get(key, [])))
        )


def _with_copied_gradients(sgd: Callable) -> Callable:
    def optimize(key: Tuple[int, str], weights: Any, gradient: Any) -> Tuple[Any, Any]:
        return sgd(key, weights, gradient.copy())

    return optimize


def _use_one_thread_in_workers() -> None:
    """Keep torch to one thread in the processes of nlp.pipe(n_process=...).

    After a fork, torch's thread pool is not there any more and using it hangs; and several
    processes with a thread for each core get in one another's way.
    """
    if multiprocessing.parent_process() is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


@contextmanager
def _explained_errors(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"Can't load a bilstm_crf_ner component from {source}: {error!r}. If files are "
            f"missing or cut short, copy or unpack the pipeline again; if the config or the "
            f"labels were changed since it was saved, put them back."
        ) from error
