"""How doubtful the possible entities of docs are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from spacy.tokens import Doc

from ...batching import Distribution
from ...decoding import candidate_entities

# Labels, and the distribution over their tag sequences
Chain = tuple[Sequence[str], Distribution]
# Less probable entities are hardly doubtful
LEAST_DOUBTFUL = 0.01
# What an entity still counts for when the same words have been selected once more
AGAIN = 0.5


class DoubtfulEntity(NamedTuple):
    """A span that may be an entity.

    Attributes:
        start: Its first character.
        end: The character after its last.
        label: Its label.
        words: Its text in lower case.
        probability: That of the entity.
    """

    start: int
    end: int
    label: str
    words: str
    probability: float

    @property
    def doubt(self) -> float:
        """The entropy of whether it is one, in nats."""
        return bernoulli_entropy(self.probability)


def bernoulli_entropy(p: float) -> float:
    """Return the entropy of an event of a probability, in nats."""
    return -sum(q * math.log(q) for q in (p, 1.0 - p) if q > 0.0)


def doubtful_entities(docs: Sequence[Doc], chains: Sequence[Chain]) -> list[list[DoubtfulEntity]]:
    """Return the possible entities of each doc, of a probability of `LEAST_DOUBTFUL` or more.

    Args:
        docs: The docs.
        chains: Labels, and the distribution over their tag sequences.
    """
    longest = max(map(len, docs))
    found: list[list[DoubtfulEntity]] = [[] for _ in docs]
    for labels, distribution in chains:
        candidates = candidate_entities(distribution, LEAST_DOUBTFUL, max_length=longest)
        for doc, of_doc, here in zip(docs, found, candidates):
            spans = ((doc[one.start : one.end], one) for one in here)
            of_doc += [
                DoubtfulEntity(
                    span.start_char,
                    span.end_char,
                    labels[one.label],
                    span.text.lower(),
                    one.probability,
                )
                for span, one in spans
            ]
    return found
