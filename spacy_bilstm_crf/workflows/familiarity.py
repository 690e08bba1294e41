"""How well a model knows texts: how sure it is of their tags, and how many words it knows.

`calibrate` notes it of the docs that it is given, and `estimate` compares its texts with those.
"""

from collections.abc import Sequence
from typing import NamedTuple

from spacy.tokens import Doc


class Familiarity(NamedTuple):
    """How well a model knows the texts that it reads.

    Attributes:
        entropy: The mean entropy of their tag sequences, in nats per token; None if not known.
        unknown: The share of their words that the model does not know; None if not known.
    """

    entropy: float | None = None
    unknown: float | None = None


class FamiliarityCount:
    """Adds up how well a model knows texts."""

    def __init__(self) -> None:
        self._n_tokens = self._n_words = self._n_unknown = 0
        self._entropy = 0.0
        self._counts_words = True

    def add(
        self, docs: Sequence[Doc], entropies: Sequence[float], unknown: Sequence[int] | None
    ) -> None:
        """Add docs.

        Args:
            docs: The docs.
            entropies: The entropy of the tag sequences of each, in nats.
            unknown: The number of unknown words of each, as `unknown_words` of a component counts
                them; None if it does not.
        """
        self._n_tokens += sum(map(len, docs))
        self._entropy += sum(entropies)
        self._n_words += sum(not token.is_space for doc in docs for token in doc)
        self._n_unknown += sum(unknown or ())
        self._counts_words = self._counts_words and unknown is not None

    def mean(self) -> Familiarity:
        """Return the entropy per token, and the share of the words that are unknown."""
        unknown = self._n_unknown / max(self._n_words, 1)
        return Familiarity(
            self._entropy / max(self._n_tokens, 1), unknown if self._counts_words else None
        )
