"""What a component can say about docs without changing them: scores, probabilities."""

import math
from dataclasses import replace
from typing import Any, Collection, Dict, Iterable, List, Tuple

import numpy as np
import torch
from spacy import util
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Model, NumpyOps

from ..constraints import Mask, allowed_by_doc
from ..decoding import distribution
from ..decoding.entities import Entity
from ..models.bilstm_crf import check_tags, torch_device
from ..potentials import Potentials
from ..tags import LegalTags, biluo_tags, legal_tags
from ..training.calibration import Calibration, fit_calibration
from ..training.losses import annotation_loss
from .span_scores import scored_entities


class Uncertainty:
    """The part of the component that asks its model, and leaves docs as they are."""

    name: str
    model: Model[List[Doc], Potentials]
    cfg: Dict[str, Any]

    @property
    def _device(self) -> torch.device:
        return torch_device(self.model)

    @property
    def labels(self) -> Tuple[str, ...]:
        """Entity labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def tags(self) -> List[str]:
        """BILUO tags, in the order of the columns of `emissions`."""
        return biluo_tags(self.labels)

    def emissions(self, docs: Iterable[Doc]) -> List[np.ndarray]:
        """Emission scores: what the network says about each token on its own.

        docs (Iterable[Doc]): The docs.
        RETURNS (List[np.ndarray]): Unnormalised scores of each doc, float32 [tokens, tags];
            the columns are `tags`.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [np.zeros((0, len(self.tags)), dtype=np.float32) for _ in docs]
        to_numpy = NumpyOps().to_numpy
        return [to_numpy(doc) for doc in self._predict_potentials(docs).emissions]

    def nbest(self, doc: Doc, k: int) -> List[Tuple[List[Span], float]]:
        """The k most probable taggings of a doc, which is not changed.

        doc (Doc): The doc. Entities that it has from elsewhere are part of every tagging.
        k (int): Number of taggings, at least 1.
        RETURNS (List[Tuple[List[Span], float]]): The entities and the exact probability of
            each tagging, the most probable first; fewer where there are no more.
        RAISES (ValueError): If k is less than 1.
        """
        if k < 1:
            raise ValueError(f"nbest was asked for the {k} best taggings: ask for at least 1.")
        if not len(doc):
            return [([], 1.0)]
        found = distribution.k_best_taggings(self._device, *self._distribution([doc]), k)
        unknown = [ent for ent in doc.ents if ent.label_ not in self.labels]
        taggings = []
        for spans, probability in found:
            entities = [*self._spans(doc, [Entity(*span, math.nan) for span in spans]), *unknown]
            taggings.append((sorted(entities, key=lambda span: span.start), probability))
        return taggings

    def token_probabilities(self, docs: Iterable[Doc]) -> List[np.ndarray]:
        """The exact probability of each tag at each token of docs, which are not changed.

        docs (Iterable[Doc]): The docs.
        RETURNS (List[np.ndarray]): Of each doc float32 [tokens, tags]; the columns are
            `tags`, and rows sum to 1.
        """
        return distribution.token_probabilities(self._device, *self._distribution(list(docs)))

    def entropy(self, docs: Iterable[Doc]) -> List[float]:
        """How unsure the model is of docs: the entropy of all their taggings.

        For active learning: the doc with the largest is the one to annotate next.

        docs (Iterable[Doc]): The docs.
        RETURNS (List[float]): Nats, from 0; it grows with a doc's length.
        """
        return distribution.entropies(self._device, *self._distribution(list(docs)))

    def calibrate(self, examples: Iterable[Example], *, batch_size: int = 128) -> Calibration:
        """Fit the temperature and the labels' biases, on annotation not used in training.

        They make the annotation most probable: see `calibration.fit_calibration`. The biases
        change which entities are found too: there are about as many of each label as in the
        annotation. A model that is trained further has to be calibrated again.

        examples (Iterable[Example]): Held-out examples.
        batch_size (int): Number of docs that the network sees at once.
        RETURNS (Calibration): The temperature that scores are divided by, and what is added to
            the score of a tagging for each entity of each label; they are saved with the
            component.
        RAISES (ValueError): If no example is annotated.
        """
        examples = [
            eg for eg in examples if len(eg.predicted) and eg.reference.has_annotation("ENT_IOB")
        ]
        if not examples:
            raise ValueError(
                f"Can't calibrate '{self.name}': none of the examples has entities annotated."
            )

        def loss_and_gradient(potentials: Potentials) -> Tuple[float, Potentials]:
            mean, gradient = annotation_loss(
                self._device, potentials, examples, self.labels, None, None
            )
            return len(examples) * mean, gradient.scaled(len(examples))

        parts = [
            self._predict_potentials([eg.predicted for eg in batch])
            for batch in util.minibatch(examples, batch_size)
        ]
        emissions = [doc for part in parts for doc in part.emissions]
        potentials = replace(parts[0], emissions=emissions)
        found = fit_calibration(loss_and_gradient, potentials, len(self.labels))
        self.cfg.update(found._asdict())
        return found

    @property
    def spans_key(self) -> str:
        """Key in `doc.spans` for the entities with their probabilities."""
        return self.cfg["spans_key"] or self.name

    def _distribution(self, docs: List[Doc]) -> Tuple[Potentials, LegalTags, List[Mask]]:
        """All that decides how probable a tagging of docs is.

        Entities that the component found itself, as their probabilities show, don't count as
        being there already.
        """
        found = [scored_entities(doc, self.spans_key) for doc in docs]
        return self._distribution_given(docs, found)

    def _distribution_given(
        self, docs: List[Doc], besides: Iterable[Collection[Tuple[int, int, str]]]
    ) -> Tuple[Potentials, LegalTags, List[Mask]]:
        """The same, with the entities of each doc that don't count."""
        labels = self.labels
        calibration = Calibration(*(self.cfg[name] for name in Calibration._fields))
        potentials = calibration.applied(self._predict_potentials(docs))
        allowed = [
            allowed_by_doc(doc, labels, besides=of_doc) for doc, of_doc in zip(docs, besides)
        ]
        return potentials, legal_tags(labels), allowed

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
        xp = self.model.ops.xp
        parts = [*potentials.emissions, potentials.transitions]
        # A sum is finite only if every part of it is
        if not xp.isfinite(sum(xp.sum(part) for part in parts)):
            raise ValueError(
                f"The scores of the component '{self.name}' are NaN or infinite. If this is in "
                f"training, lower the optimizer's learn_rate or its grad_clip, and look for NaN "
                f"in the word vectors; a model that is saved so has to be trained again."
            )
