"""Settings of decoding."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import NamedTuple

# Probabilities below this count as zero: entities less probable than this are without number
LEAST_PROBABILITY = 1e-6
# Threshold of a label without a value among thresholds by label: finds what is likelier than not
UNNAMED = 0.5


class DecodingSettings(NamedTuple):
    """Which entities to find, and whether to compute their probabilities.

    Attributes:
        threshold: Least probability of an entity, for all labels or by label; it is 0.5 for a label
            without a value. None takes the entities of the most probable tag sequence.
        entity_scores: Whether to compute the probabilities of those.
        candidates_threshold: Least probability of a candidate, for all labels or by label. None
            finds no candidates, and neither does a label without a value.
        candidates_max_length: Longest candidate, in tokens.
        labels: Names of the labels.
    """

    threshold: float | dict[str, float] | None
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
        _check_threshold(f"The threshold of '{component}'", self.threshold)
        given = self.candidates_threshold
        if isinstance(given, dict):  # of which None stands for no candidates
            given = {label: value for label, value in given.items() if value is not None}
        _check_threshold(f"The candidates_threshold of '{component}'", given)
        unknown = [label for label in self.thresholds_by_label if label not in self.labels]
        if self.labels and unknown:  # before a component is initialized, it has none
            raise ValueError(
                f"The threshold of '{component}' has a value for {', '.join(unknown)}, but its "
                f"labels are {', '.join(self.labels)}."
            )
        if self.candidates_max_length < 1:
            raise ValueError(
                f"The candidates_max_length of '{component}' is {self.candidates_max_length}, but "
                f"it must be at least 1."
            )

    @property
    def minimum(self) -> float | None:
        """The least probability of any entity or candidate to look for; None to look for none."""
        of_entities = self.least_of_entities
        thresholds = of_entities if isinstance(of_entities, list) else [of_entities]
        given = [p for p in (*thresholds, *self._candidates_thresholds) if p is not None]
        return max(min(given), LEAST_PROBABILITY) if given else None

    @property
    def least_of_entities(self) -> float | list[float] | None:
        """The least probability of an entity, for all labels or of each label; None for none."""
        given = self.threshold
        if isinstance(given, dict):
            return [max(given.get(label, UNNAMED), LEAST_PROBABILITY) for label in self.labels]
        return None if given is None else max(given, LEAST_PROBABILITY)

    @property
    def thresholds_by_label(self) -> dict[str, float]:
        """The threshold of each label, if there is one by label, and otherwise nothing."""
        given = self.threshold
        if not isinstance(given, dict):
            return {}
        return {**dict.fromkeys(self.labels, UNNAMED), **given}

    @property
    def _candidates_thresholds(self) -> Sequence[float | None]:
        given = self.candidates_threshold
        return list(given.values()) if isinstance(given, dict) else [given]

    def of_label(self, label: str) -> "DecodingSettings":
        """Return the settings for a label on its own."""
        threshold, least = self.threshold, self.candidates_threshold
        if isinstance(threshold, dict):
            threshold = threshold.get(label, UNNAMED)
        if isinstance(least, dict):
            least = least.get(label)
        return self._replace(threshold=threshold, candidates_threshold=least, labels=(label,))

    def least_of_candidates(self, label: int) -> float:
        """Return the least probability of a candidate of a label, infinite for no candidates."""
        given = self.candidates_threshold
        if isinstance(given, dict):
            given = given.get(self.labels[label])
        return math.inf if given is None else max(given, LEAST_PROBABILITY)


def _check_threshold(what: str, given: float | dict[str, float] | None) -> None:
    """Check that a setting is a probability, has one by label, or is None."""
    if isinstance(given, dict):
        for label, value in given.items():
            if not _is_probability(value):
                raise ValueError(
                    f"{what} for {label} is {value!r}, but it must be a probability from 0 to 1."
                )
    elif given is not None and not _is_probability(given):
        raise ValueError(f"{what} is {given!r}, but it must be a probability from 0 to 1, or null.")


def _is_probability(value: float) -> bool:
    return isinstance(value, Real) and 0.0 <= value <= 1.0
