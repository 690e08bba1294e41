"""What a component is to find in docs."""

from typing import NamedTuple, Optional

# The least probability that is made a difference of: there is no end of entities below it
LEAST_PROBABILITY = 0.001


class DecodingSettings(NamedTuple):
    """The settings that decide which entities are found, and what is worked out of them.

    Attributes:
        threshold: None takes the entities of the most probable tag sequence.
        entity_scores: Whether entities are to have probabilities.
        candidates_threshold: None looks for no candidates.
        candidates_max_length: Tokens.
    """

    threshold: Optional[float]
    entity_scores: bool
    candidates_threshold: Optional[float]
    candidates_max_length: int

    def check(self, component: str) -> None:
        """Check the values.

        Raises:
            ValueError: Naming the setting of the component that makes no sense.
        """
        for setting in ("threshold", "candidates_threshold"):
            value = getattr(self, setting)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(
                    f"The {setting} of '{component}' is {value}, but it is a probability: it must "
                    f"be from 0 to 1, or null for none."
                )
        if self.candidates_max_length < 1:
            raise ValueError(
                f"The candidates_max_length of '{component}' is {self.candidates_max_length}, but "
                f"candidates have at least one token."
            )

    @property
    def minimum(self) -> Optional[float]:
        """The least probability that makes an entity of any tag sequence of interest."""
        given = [p for p in (self.threshold, self.candidates_threshold) if p is not None]
        return max(min(given), LEAST_PROBABILITY) if given else None
