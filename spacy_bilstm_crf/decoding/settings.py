"""Settings of decoding."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import NamedTuple

# Probabilities below this count as zero: entities less probable than this are without number
LEAST_PROBABILITY = 1e-6


class DecodingSettings(NamedTuple):
    """Which entities to find, and whether to compute their probabilities.

    Attributes:
        threshold: Least probability of an entity. None takes the entities of the most probable tag
            sequence.
        entity_scores: Whether to compute the probabilities of those.
        candidates_threshold: Least probability of a candidate, for all labels or by label. None
            finds no candidates, and neither does a label without a value.
        candidates_max_length: Longest candidate, in tokens.
        labels: Names of the labels.
    """

    threshold: float | None
    entity_scores: bool
    candidates_threshold: float | dict[str, float] | None
    candidates_max_length: int
    labels: Sequence[str] = ()

    def check(self, component: str) -> None:
        """Check the values.

        Args:
            component: Name of the component, for the message.

        Raises:
            ValueError: Naming the setting that makes no sense.
        """
        values = [("threshold", self.threshold)]
        values += [("candidates_threshold", value) for value in self._candidates_thresholds]
        for setting, value in values:
            is_share = isinstance(value, Real) and 0.0 <= value <= 1.0
            if value is not None and not is_share:
                raise ValueError(
                    f"The {setting} of '{component}' is {value!r}, but it must be a probability "
                    f"from 0 to 1, or null."
                )
        if self.candidates_max_length < 1:
            raise ValueError(
                f"The candidates_max_length of '{component}' is {self.candidates_max_length}, but "
                f"it must be at least 1."
            )

    @property
    def minimum(self) -> float | None:
        """The least probability of any entity or candidate to look for; None to look for none."""
        thresholds = [self.threshold, *self._candidates_thresholds]
        given = [p for p in thresholds if p is not None]
        return max(min(given), LEAST_PROBABILITY) if given else None

    @property
    def _candidates_thresholds(self) -> Sequence[float | None]:
        given = self.candidates_threshold
        return list(given.values()) if isinstance(given, dict) else [given]

    def of_label(self, label: str) -> "DecodingSettings":
        """Return the settings for a label on its own."""
        least = self.candidates_threshold
        if isinstance(least, dict):
            least = least.get(label)
        return self._replace(candidates_threshold=least, labels=(label,))

    def least_of_candidates(self, label: int) -> float:
        """Return the least probability of a candidate of a label, infinite for no candidates."""
        given = self.candidates_threshold
        if isinstance(given, dict):
            given = given.get(self.labels[label])
        return math.inf if given is None else max(given, LEAST_PROBABILITY)
