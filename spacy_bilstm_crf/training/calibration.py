"""Fits a calibration to held-out annotation."""

import math
from typing import Any

import torch

from ..calibration import ENTITY_STARTS, Calibration
from ..potentials import Potentials
from .annotation import Annotation
from .objectives import summed_negative_log_likelihood


def fit_calibration(
    device: torch.device, potentials: Potentials, annotation: Annotation, n_labels: int
) -> Calibration:
    """Fit the calibration under which held-out annotation is most probable.

    Temperature scaling with a bias for each class (Guo et al. 2017, section 4.2; Alexandari,
    Kundaje and Shrikumar 2020), for a CRF. With full annotation the loss is convex in
    1 / temperature and the biases. At its minimum the expected number of entities of each label is
    the annotated number. A normal prior on the biases and on the logarithm of the temperature
    keeps them finite when no entity is annotated or all of them are found.

    Args:
        device: Where the CRF runs.
        potentials: What the model predicted for the docs, not calibrated.
        annotation: What is known about the docs.
        n_labels: Number of labels.

    Returns:
        The calibration, with a bias for each label.
    """
    # log(1 / temperature), then the biases
    point = torch.zeros(1 + n_labels, dtype=torch.float64, device="cpu")

    def calibration() -> Calibration:
        logarithm, *biases = point.tolist()
        return Calibration(math.exp(-logarithm), tuple(biases))

    def objective() -> float:
        now = calibration()
        loss, gradient = summed_negative_log_likelihood(device, now.applied(potentials), annotation)
        by_logarithm = gradient.dot(potentials) / now.temperature
        by_tag: Any = sum(doc.sum(axis=0) for doc in gradient.emissions)
        by_bias = sum(by_tag[columns] for columns in ENTITY_STARTS)
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
