"""The questions about single entities whose answers would tell most (Radmard et al. 2021).

Whether a span is an entity follows from the tag sequence. So the entropy of the tag sequences that
an answer is expected to take away, their mutual information, is the entropy of the answer itself,
and the span with a probability next to one half is the best question.

A second question about the same text is worth less where the spans overlap, as at most one of them
is an entity. For an entity of probability p, and asked ones that overlap it with probabilities that
sum up to q, what is left is (1 - q) h(p / (1 - q)), with h the binary entropy. This is exact if the
asked ones overlap each other too, and lower than the true value otherwise. Spans that don't overlap
are taken to be independent.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .doubt import AGAIN, DoubtfulEntity, bernoulli_entropy


class Question(NamedTuple):
    """Whether a span of a text is an entity.

    Attributes:
        place: The text's place among the texts.
        entity: The span.
        value: What the answer is expected to tell, given those of the questions before, in nats.
    """

    place: int
    entity: DoubtfulEntity
    value: float


def best_questions(
    of_texts: Mapping[int, Sequence[DoubtfulEntity]], n: int, *, again: float = AGAIN
) -> list[Question]:
    """Choose the most valuable questions greedily.

    Args:
        of_texts: The possible entities of the texts, by place.
        n: How many to choose. Questions of which the answer would tell nothing are left out.
        again: What a question counts for when the same words have been asked about once more.

    Returns:
        The questions of each text in the order of their spans, the texts in the order of their most
        valuable question.
    """
    asked: dict[int, list[Question]] = defaultdict(list)
    times: Counter[str] = Counter()

    def value(place: int, entity: DoubtfulEntity) -> float:
        others = [one.entity for one in asked[place] if _overlap(one.entity, entity)]
        return _left(entity.probability, others) * again ** times[entity.words]

    heap = [
        (-value(place, entity), place, entity)
        for place, entities in of_texts.items()
        for entity in entities
    ]
    heapq.heapify(heap)
    n_chosen = 0
    while heap and n_chosen < n:
        _, place, entity = heapq.heappop(heap)
        now = value(place, entity)
        if now <= 0.0:
            continue
        if heap and now < -heap[0][0]:  # a value only falls
            heapq.heappush(heap, (-now, place, entity))
            continue
        asked[place].append(Question(place, entity, now))
        times[entity.words] += 1
        n_chosen += 1
    chosen = [of_text for of_text in asked.values() if of_text]
    chosen.sort(key=lambda of_text: (-of_text[0].value, of_text[0].place))
    return [one for of_text in chosen for one in sorted(of_text, key=lambda one: one.entity[:3])]


def _left(p: float, asked: Sequence[DoubtfulEntity]) -> float:
    """Return the entropy of an entity of probability p, given the answers about those it excludes.

    Rounding may leave less room than p: then the answers before have said all.
    """
    room = 1.0 - sum(one.probability for one in asked)
    return room * bernoulli_entropy(p / room) if room > p else 0.0


def _overlap(one: DoubtfulEntity, other: DoubtfulEntity) -> bool:
    return one.start < other.end and other.start < one.end
