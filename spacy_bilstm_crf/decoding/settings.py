"""What a component is to find in docs."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import NamedTuple

# The least probability that is made a difference of: there is no end of entities below it
LEAST_PROBABILITY = 1e-6


class DecodingSettings(NamedTuple):
    """The settings that decide which entities are found, and what is worked out of them.

    Attributes:
        threshold: None takes the entities of the most probable tag sequence.
        entity_scores: Whether entities are to have probabilities.
        candidates_threshold: None looks for no candidates. With one for each label by its name,
            there are none of other labels.
        candidates_max_length: Tokens.
        labels: Names of the labels.
    """

    threshold: float | None
    entity_scores: bool
    candidates_threshold: float | dict[str, float] | None
    candidates_max_length: int
    labels: Sequence[str] = ()

    def check(self, component: str) -> None:
        """Check the values.

        Raises:
            ValueError: Naming the setting of the component that makes no sense.
        """
        values = [("threshold", self.threshold)]
        values += [("candidates_threshold", value) for value in self._thresholds_of_candidates]
        for setting, value in values:
            is_share = isinstance(value, Real) and 0.0 <= value <= 1.0
            if value is not None and not is_share:
                raise ValueError(
                    f"The {setting} of '{component}' is {value!r}, but it is a probability: it "
                    f"must be from 0 to 1, or null for none."
                )
        if self.candidates_max_length < 1:
            raise ValueError(
                f"The candidates_max_length of '{component}' is {self.candidates_max_length}, but "
                f"candidates have at least one token."
            )

    @property
    def minimum(self) -> float | None:
        """The least probability that makes an entity of any tag sequence of interest."""
        thresholds = [self.threshold, *self._thresholds_of_candidates]
        given = [p for p in thresholds if p is not None]
        return max(min(given), LEAST_PROBABILITY) if given else None

    @property
    def _thresholds_of_candidates(self) -> Sequence[float | None]:
        given = self.candidates_threshold
        return list(given.values()) if isinstance(given, dict) else [given]

    def least_of_candidates(self, label: int) -> float:
        """The least probability of a candidate of a label; infinite if there are to be none."""
        given = self.candidates_threshold
        if isinstance(given, dict):
            given = given.get(self.labels[label])
        return math.inf if given is None else max(given, LEAST_PROBABILITY)
