"""The documents from which a model would learn most, by one of three strategies.

- "entropy": the entropy of all tag sequences of a document (sequence entropy; Settles and Craven
  2008, equation 6, here over all sequences instead of the N best).
- "margin": how close the second best tag sequence comes to the best (Scheffer, Decomain and Wrobel
  2001).
- "diverse": the doubtful entities of a document, where each counts half as much for every time that
  the same words have been selected. The sum is submodular, so the greedy choice is near the best
  one (Nemhauser, Wolsey and Fisher 1978).
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc

from ...decoding import entropies, margins
from .doubt import AGAIN, Chain, doubtful_entities

STRATEGIES = ("entropy", "margin", "diverse")


def values(strategy: str, docs: Sequence[Doc], chains: Sequence[Chain]) -> Sequence[Any]:
    """Return what a strategy chooses each doc by.

    Args:
        strategy: One of `STRATEGIES`. "margin" is for a single chain.
        docs: The docs.
        chains: Labels, and the distribution over their tag sequences.

    Returns:
        For each doc a number, the larger the better; with "diverse" its doubtful words.
    """
    if strategy == "entropy":
        return [sum(of_doc) for of_doc in zip(*(entropies(each) for _, each in chains))]
    if strategy == "margin":
        ((_, distribution),) = chains
        return [1.0 - margin for margin in margins(distribution)]
    return doubtful_words(docs, chains)


def doubtful_words(docs: Sequence[Doc], chains: Sequence[Chain]) -> list[dict[str, float]]:
    """Return the words of each doc's possible entities, and how doubtful they are, in nats."""
    found = []
    for entities in doubtful_entities(docs, chains):
        doubts: dict[str, float] = {}
        for entity in entities:
            doubts[entity.words] = doubts.get(entity.words, 0.0) + entity.doubt
        found.append(doubts)
    return found


def best_documents(strategy: str, found: dict[int, Any], n: int) -> list[tuple[int, float]]:
    """Return the places of the most valuable documents, and their values, best first.

    Args:
        strategy: One of `STRATEGIES`.
        found: What `values` returned, by place.
        n: How many to choose.
    """
    if strategy == "diverse":
        return diverse(found, n)
    return heapq.nlargest(n, found.items(), key=lambda item: (item[1], -item[0]))


def diverse(doubts: dict[int, dict[str, float]], n: int) -> list[tuple[int, float]]:
    """Choose greedily. A document's worth only falls, so not all are computed again each time."""
    times: Counter[str] = Counter()

    def worth(place: int) -> float:
        return sum(p * AGAIN ** times[words] for words, p in doubts[place].items())

    heap = [(-worth(place), place) for place in doubts]
    heapq.heapify(heap)
    chosen: list[tuple[int, float]] = []
    while heap and len(chosen) < n:
        _, place = heapq.heappop(heap)
        now = worth(place)
        if heap and now < -heap[0][0]:
            heapq.heappush(heap, (-now, place))
            continue
        chosen.append((place, now))
        times.update(doubts[place].keys())
    return chosen
