"""Scores changed so that probabilities hold on data that was not trained on."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from thinc.api import get_array_module

from ..potentials import Potentials
from ..tags import BEGIN, UNIT, tag_id
from .losses import Annotation, negative_log_likelihood

# Columns of the tags that an entity starts with, label by label: each entity has one of them, once
STARTS_OF_ENTITIES = [slice(tag_id(move, 0), None, 4) for move in (BEGIN, UNIT)]


class Calibration(NamedTuple):
    """How scores are changed.

    Attributes:
        temperature: They are divided by it.
        label_biases: For each entity, that of its label is added to the score of a tag sequence;
            labels that have been added since have none.
    """

    temperature: float = 1.0
    label_biases: tuple[float, ...] = ()

    def check(self, n_labels: int, component: str) -> None:
        """Check the values.

        Raises:
            ValueError: Naming the one that makes no sense.
        """
        if not (_is_finite(self.temperature) and self.temperature > 0.0):
            raise ValueError(
                f"The temperature of '{component}' is {self.temperature}, but scores are divided "
                f"by it: it must be above 0. Calibrate it again."
            )
        finite = all(_is_finite(bias) for bias in self.label_biases)
        if len(self.label_biases) > n_labels or not finite:
            raise ValueError(
                f"The label_biases of '{component}' are {list(self.label_biases)}, but there must "
                f"be a number for each of its {n_labels} labels at most. Calibrate it again."
            )

    def applied(self, potentials: Potentials) -> Potentials:
        """The potentials of the calibrated distribution."""
        if self.temperature != 1.0:
            potentials = potentials.scaled(1 / self.temperature)
        if any(self.label_biases):
            xp = get_array_module(potentials.start)
            bias: Any = xp.zeros_like(potentials.start)  # of each tag
            for columns in STARTS_OF_ENTITIES:
                bias[columns][: len(self.label_biases)] = xp.array(self.label_biases)
            emissions = [doc + bias for doc in potentials.emissions]
            potentials = replace(potentials, emissions=emissions)
        return potentials


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def fit_calibration(
    device: torch.device, potentials: Potentials, annotation: Annotation, n_labels: int
) -> Calibration:
    """The calibration with which held-out annotation is most probable.

    Temperature scaling with a bias for each class (Guo et al. 2017, section 4.2; Alexandari,
    Kundaje and Shrikumar 2020), for a CRF. Of full annotation the loss is convex
    in 1 / temperature and the biases, and where it is least the expected number of entities of
    each label is that of the annotation. A normal prior of the biases and of the temperature's
    logarithm keeps them finite where nothing else does: if no entity is annotated, or all are
    found.

    Args:
        device: Where the CRF is worked out.
        potentials: What the model says about the docs.
        annotation: What is known of them.
        n_labels: Number of labels.
    """
    # The logarithm of 1 / temperature, and the biases
    point = torch.zeros(1 + n_labels, dtype=torch.float64, device="cpu")

    def calibration() -> Calibration:
        logarithm, *biases = point.tolist()
        return Calibration(math.exp(-logarithm), tuple(biases))

    def objective() -> float:
        now = calibration()
        loss, gradient = negative_log_likelihood(device, now.applied(potentials), annotation)
        by_logarithm = gradient.dot(potentials) / now.temperature
        by_tag: Any = sum(doc.sum(axis=0) for doc in gradient.emissions)
        by_bias = sum(by_tag[columns] for columns in STARTS_OF_ENTITIES)
        slopes = [by_logarithm, *by_bias.tolist()]
        point.grad = point.new_tensor(slopes) + point
        return loss + float(point @ point) / 2

    optimizer = torch.optim.LBFGS(
        [point],
        max_iter=50,
        tolerance_grad=1e-3,  # float32 scores have no more digits
        tolerance_change=1e-6,
        line_search_fn="strong_wolfe",
    )
    optimizer.step(objective)
    return calibration()
