"""Fits a calibration to held-out annotation."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..calibration import ENTITY_STARTS, Calibration
from ..potentials import Potentials
from .annotation import Annotation
from .objectives import summed_negative_log_likelihood

BFGS_STEPS = 50
LEAST_SLOPE = 1e-3  # float32 scores have no more digits
LEAST_MOVE = 1e-5
SUFFICIENT_DESCENT = 1e-4  # share of the descent that the slope promises


def fit_calibration(chains: Sequence[tuple[Potentials, Annotation]], n_labels: int) -> Calibration:
    """Fit the calibration under which held-out annotation is most probable.

    Temperature scaling with a bias for each class (Guo et al. 2017, section 4.2; Alexandari,
    Kundaje and Shrikumar 2020), for a CRF. With full annotation the loss is convex in
    1 / temperature and the biases. At its minimum the expected number of entities of each label is
    the annotated number. A normal prior on the biases and on the logarithm of the temperature
    keeps them finite when no entity is annotated or all of them are found.

    Args:
        chains: What the model predicted for the docs, not calibrated, and what is known about them.
            A single chain has all labels; of several, each label has as many, label by label.
        n_labels: Number of labels of all chains.

    Returns:
        The calibration, with a bias for each label.
    """
    n_of_chain = max(n_labels // len(chains), 1)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = float(point @ point) / 2, point.copy()
        for number, (potentials, annotation) in enumerate(chains):
            first = 1 + number * n_labels // len(chains)
            biases = slice(first, first + n_of_chain)
            now = _calibration_at(np.append(point[0], point[biases]))
            loss, gradient = summed_negative_log_likelihood(now.applied(potentials), annotation)
            value += loss
            slope[0] += gradient.dot(potentials) / now.temperature
            by_tag: Any = sum(doc.sum(axis=0) for doc in gradient.emissions)
            slope[biases] += sum(np.asarray(by_tag[columns].tolist()) for columns in ENTITY_STARTS)
        return value, slope

    return _calibration_at(_minimum(objective, np.zeros(1 + n_labels)))


def _calibration_at(point: np.ndarray) -> Calibration:
    """Return the calibration with log(1 / temperature) and then the biases at a point."""
    logarithm, *biases = point.tolist()
    return Calibration(math.exp(-logarithm), tuple(biases))


def _minimum(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], point: np.ndarray
) -> np.ndarray:
    """Find the minimum of a smooth function by BFGS (Nocedal and Wright 2006, algorithm 6.1).

    Args:
        function: Returns the value and the gradient at a point.
        point: Where to start.
    """
    value, slope = function(point)
    inverse = np.eye(len(point)) / max(1.0, np.abs(slope).sum())  # of the matrix of curvatures
    for step in range(BFGS_STEPS):
        if np.abs(slope).max() <= LEAST_SLOPE:
            break
        move = -inverse @ slope
        while True:
            new_value, new_slope = function(point + move)
            if new_value <= value + SUFFICIENT_DESCENT * float(slope @ move):
                break
            move = move / 2
            if np.abs(move).max() < LEAST_MOVE:
                return point
        change = new_slope - slope
        curvature = float(move @ change)
        point, value, slope = point + move, new_value, new_slope
        if curvature > 0.0:
            if step == 0:
                inverse = np.eye(len(point)) * curvature / float(change @ change)
            rest = np.eye(len(point)) - np.outer(move, change) / curvature
            inverse = rest @ inverse @ rest.T + np.outer(move, move) / curvature
    return point
