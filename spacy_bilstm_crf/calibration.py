"""Calibration: a temperature and a bias per label that correct a model's probabilities.

`training` fits the values, `decoding` applies them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from thinc.api import get_array_module

from .potentials import Potentials
from .tags import BEGIN, UNIT, tag_id

# Columns of the B- and of the U- tags, label by label. An entity has exactly one of these tags
ENTITY_STARTS = [slice(tag_id(move, 0), None, 4) for move in (BEGIN, UNIT)]

# Far beyond anything that is fitted, and far from where float32 scores overflow
TEMPERATURES = 1e-3, 1e3
LARGEST_BIAS = 1e3


class Calibration(NamedTuple):
    """The values that turn a model's potentials into calibrated ones.

    Attributes:
        temperature: Divides all scores.
        label_biases: Added to the score of a tag sequence for each entity of a label, in the order
            of the labels. Labels without a value, such as those added later, have no bias.
    """

    temperature: float = 1.0
    label_biases: tuple[float, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether it leaves all probabilities as they are, as before any calibration."""
        return self.temperature == 1.0 and not any(self.label_biases)

    def is_close(self, other: "Calibration", tolerance: float) -> bool:
        """Tell whether no value differs from another calibration's by more than a tolerance."""
        n_labels = max(len(self.label_biases), len(other.label_biases))
        pairs = zip(self._values(n_labels), other._values(n_labels))
        return all(abs(one - another) <= tolerance for one, another in pairs)

    def _values(self, n_labels: int) -> list[float]:
        no_biases = [0.0] * (n_labels - len(self.label_biases))
        return [self.temperature, *self.label_biases, *no_biases]

    def check(self, n_labels: int, component: str) -> None:
        """Check the values.

        Args:
            n_labels: Number of labels of the component.
            component: Name of the component, for the message.

        Raises:
            ValueError: Naming the value that makes no sense.
        """
        least, most = TEMPERATURES
        if not _is_within(self.temperature, least, most):
            raise ValueError(
                f"The temperature of '{component}' is {self.temperature!r}, but scores are divided "
                f"by it: it must be a number from {least:g} to {most:g}. "
                f"Calibrate it again."
            )
        biases = self.label_biases
        if not isinstance(biases, Sequence) or isinstance(biases, str) or len(biases) > n_labels:
            raise ValueError(
                f"The label_biases of '{component}' are {biases!r}, but there can be at most one "
                f"number for each of its {n_labels} labels. Calibrate it again."
            )
        for bias in biases:
            if not _is_within(bias, -LARGEST_BIAS, LARGEST_BIAS):
                raise ValueError(
                    f"The label_biases of '{component}' include {bias!r}, but they must be numbers "
                    f"from {-LARGEST_BIAS:g} to {LARGEST_BIAS:g}. Calibrate it again."
                )

    def applied(self, potentials: Potentials) -> Potentials:
        """Return the potentials of the calibrated distribution.

        Args:
            potentials: What the model predicted.

        Returns:
            Potentials of the same shapes.
        """
        if self.temperature != 1.0:
            potentials = potentials.scaled(1 / self.temperature)
        if any(self.label_biases):
            xp = get_array_module(potentials.start)
            bias: Any = xp.zeros_like(potentials.start)  # [n_tags]
            for columns in ENTITY_STARTS:
                bias[columns][: len(self.label_biases)] = xp.array(self.label_biases)
            emissions = [doc + bias for doc in potentials.emissions]
            potentials = replace(potentials, emissions=emissions)
        return potentials


def _is_within(value: Any, least: float, most: float) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and least <= value <= most  # neither holds for NaN
