"""Which gold entity belongs to which predicted one: an optimal one-to-one matching.

Only entities that share a token can be matched. Of all such matchings one is taken that earns the
most credit. A pair's credit is the sum of what the four schemes of SemEval-2013 task 9 give it:
strict, exact and type 1 or 0, partial 1 for the same boundaries and 1/2 otherwise. Between
matchings of equal credit the one that shares more tokens is taken.

On each side entities don't overlap, so matched pairs can't cross: of two gold entities the first is
never matched to the later of two predicted ones. That is why a table of prefixes, as in an edit
distance, finds the optimum.
"""

from typing import Iterator, List, NamedTuple, Sequence, Tuple

from .mentions import Compared, Mention

Pair = Tuple[Mention, Mention]  # gold, predicted
# Shared tokens decide between equal credits only: no entity has as many tokens
CREDIT = 1 << 40


class Cluster(NamedTuple):
    """Gold and predicted entities that hang together by overlaps."""

    gold: Tuple[Mention, ...]
    predicted: Tuple[Mention, ...]


class Matching(NamedTuple):
    """The entities of a cluster or a doc, each in exactly one place."""

    pairs: List[Pair]
    missed: List[Mention]  # gold without predicted
    spurious: List[Mention]  # predicted without gold


def overlap(one: Mention, other: Mention) -> int:
    """How many tokens two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def clusters(doc: Compared) -> Iterator[Cluster]:
    """The connected parts of the graph of overlaps, in the order of the text."""
    entities = [(m.start, m.end, True, m) for m in doc.gold]
    entities += [(m.start, m.end, False, m) for m in doc.predicted]
    entities.sort(key=lambda each: each[:3])
    gold: List[Mention] = []
    predicted: List[Mention] = []
    end = 0
    for start, its_end, is_gold, mention in entities:
        if start >= end and (gold or predicted):
            yield Cluster(tuple(gold), tuple(predicted))
            gold, predicted = [], []
        (gold if is_gold else predicted).append(mention)
        end = max(end, its_end)
    if gold or predicted:
        yield Cluster(tuple(gold), tuple(predicted))


def matched(doc: Compared) -> Matching:
    """An optimal matching of a doc's entities."""
    found = Matching([], [], [])
    for cluster in clusters(doc):
        pairs, missed, spurious = match(cluster.gold, cluster.predicted)
        found.pairs.extend(pairs)
        found.missed.extend(missed)
        found.spurious.extend(spurious)
    return found


def match(gold: Sequence[Mention], predicted: Sequence[Mention]) -> Matching:
    """An optimal matching of entities, each side in order and without overlaps.

    Args:
        gold: Entities of the annotation.
        predicted: Entities of the pipeline.

    Returns:
        The pairs, and what is left of either side.
    """
    best = _best_of_prefixes(gold, predicted)
    pairs, missed, spurious = [], [], []
    i, j = len(gold), len(predicted)
    while i or j:
        if i and best[i][j] == best[i - 1][j]:
            i -= 1
            missed.append(gold[i])
        elif j and best[i][j] == best[i][j - 1]:
            j -= 1
            spurious.append(predicted[j])
        else:
            i, j = i - 1, j - 1
            pairs.append((gold[i], predicted[j]))
    return Matching(pairs[::-1], missed[::-1], spurious[::-1])


def _best_of_prefixes(gold: Sequence[Mention], predicted: Sequence[Mention]) -> List[List[int]]:
    """The best value of a matching of the first i gold and the first j predicted entities."""
    best = [[0] * (len(predicted) + 1) for _ in range(len(gold) + 1)]
    for i, one in enumerate(gold, 1):
        for j, other in enumerate(predicted, 1):
            value = value_of(one, other)
            with_pair = best[i - 1][j - 1] + value if value else 0
            best[i][j] = max(best[i - 1][j], best[i][j - 1], with_pair)
    return best


def value_of(gold: Mention, predicted: Mention) -> int:
    """What a pair is worth: its credit, in halves, then the tokens that it shares."""
    shared = overlap(gold, predicted)
    if not shared:
        return 0
    same_span = gold.key[:2] == predicted.key[:2]
    same_label = gold.label == predicted.label
    halves = 2 * (same_span and same_label) + 2 * same_span + 2 * same_label + 1 + same_span
    return halves * CREDIT + shared
