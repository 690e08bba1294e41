"""Match gold with predicted entities: an optimal one-to-one matching.

Only entities that share a token can be matched. Each scheme of SemEval-2013 task 9 gives a pair
credit: strict, exact and type give 1 or 0, partial gives 1 for the same boundaries and 1/2
otherwise. A scheme is scored with a matching that earns the most credit under it. Kinds of errors
and confusion need one matching for all schemes: there the credits of the four are added up. Among
matchings of equal credit, one with the most pairs is taken, then one whose pairs share the most
tokens.

If the entities of one side don't overlap, matched pairs can't cross. Hence dynamic programming over
prefixes, as for an edit distance, finds the optimum. Otherwise it is an assignment problem.

Where entities may overlap, two that share a token need not have to do with one another: both may be
right. So there they can only be matched if they have the same label or the same boundaries, too.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .assignment import best_assignment
from .mentions import Compared, Mention

Pair = tuple[Mention, Mention]  # gold, predicted
# One more pair outweighs any number of shared tokens, and credit outweighs both
PAIR = 1 << 30
CREDIT = 1 << 60
SCHEMES = ("strict", "exact", "partial", "type")


class Cluster(NamedTuple):
    """Gold and predicted entities that are connected: by overlaps, or by what can be matched."""

    gold: tuple[Mention, ...]
    predicted: tuple[Mention, ...]


class Matching(NamedTuple):
    """The entities of a cluster or a doc, each in exactly one of three lists."""

    pairs: list[Pair]
    missed: list[Mention]  # gold without predicted
    spurious: list[Mention]  # predicted without gold


def overlap(one: Mention, other: Mention) -> int:
    """Return the number of tokens that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def can_match(one: Mention, other: Mention) -> bool:
    """Tell whether a gold and a predicted entity can be matched."""
    if not overlap(one, other):
        return False
    return not _may_overlap(one) or one.label == other.label or one.key[:2] == other.key[:2]


def _may_overlap(mention: Mention) -> bool:
    return mention.shares_with is not None


def clusters(doc: Compared) -> Iterator[Cluster]:
    """Yield the entities of a doc in connected parts, in the order of the text.

    These are the connected components of the graph of overlaps or, where the entities of one side
    may overlap, of the graph of those that can be matched.
    """
    for cluster in _by_overlaps(doc):
        if _may_overlap([*cluster.gold, *cluster.predicted][0]):
            yield from _connected(cluster)
        else:
            yield cluster


def _connected(cluster: Cluster) -> Iterator[Cluster]:
    """Yield the parts of a cluster between which nothing can be matched."""
    gold, predicted = cluster
    neighbors: list[list[int]] = [[] for _ in [*gold, *predicted]]
    for i, one in enumerate(gold):
        for j, other in enumerate(predicted, start=len(gold)):
            if can_match(one, other):
                neighbors[i].append(j)
                neighbors[j].append(i)
    seen: set[int] = set()
    for first in range(len(neighbors)):
        if first in seen:
            continue
        reached, part = [first], {first}
        while reached:
            new = set(neighbors[reached.pop()]) - part
            part |= new
            reached += new
        seen |= part
        yield Cluster(
            tuple(gold[i] for i in sorted(part) if i < len(gold)),
            tuple(predicted[i - len(gold)] for i in sorted(part) if i >= len(gold)),
        )


def _by_overlaps(doc: Compared) -> Iterator[Cluster]:
    entities = [(m.start, m.end, True, m) for m in doc.gold]
    entities += [(m.start, m.end, False, m) for m in doc.predicted]
    entities.sort(key=lambda each: each[:3])
    gold: list[Mention] = []
    predicted: list[Mention] = []
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
    """Return an optimal matching of a doc's entities."""
    found = Matching([], [], [])
    for cluster in clusters(doc):
        pairs, missed, spurious = match(cluster.gold, cluster.predicted)
        found.pairs.extend(pairs)
        found.missed.extend(missed)
        found.spurious.extend(spurious)
    return found


def match(
    gold: Sequence[Mention], predicted: Sequence[Mention], schemes: Sequence[str] = SCHEMES
) -> Matching:
    """Return an optimal matching of the entities of a cluster, each side in order.

    Args:
        gold: Entities of the annotation.
        predicted: Entities of the pipeline.
        schemes: The schemes whose credit is added up.

    Returns:
        The pairs, and the entities of either side without a match.
    """
    # Nearly all clusters are of these two kinds, which need no table
    if not gold or not predicted:
        return Matching([], list(gold), list(predicted))
    if len(gold) == len(predicted) == 1 and can_match(gold[0], predicted[0]):
        return Matching([(gold[0], predicted[0])], [], [])
    values = [[value_of((one, other), schemes) for other in predicted] for one in gold]
    if any(mention.shares_with for mention in [*gold, *predicted]):
        places = [(i, j) for i, j in enumerate(best_assignment(values)) if j >= 0 and values[i][j]]
    else:
        places = _best_without_crossing(values)
    is_matched = [set(side) for side in zip(*places)] or [set(), set()]
    return Matching(
        [(gold[i], predicted[j]) for i, j in places],
        [one for i, one in enumerate(gold) if i not in is_matched[0]],
        [one for j, one in enumerate(predicted) if j not in is_matched[1]],
    )


def _best_without_crossing(values: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return the pairs of an optimal matching, of which no two cross, in order.

    Args:
        values: The value of each pair of a gold and a predicted entity; 0 if they can't be matched.
    """
    n_gold, n_predicted = len(values), len(values[0])
    # The best value for the first i gold and the first j predicted entities
    best = [[0] * (n_predicted + 1) for _ in range(n_gold + 1)]
    for i in range(1, n_gold + 1):
        for j in range(1, n_predicted + 1):
            # A pair that can't be matched is worth 0, as no pair is
            with_pair = best[i - 1][j - 1] + values[i - 1][j - 1]
            best[i][j] = max(best[i - 1][j], best[i][j - 1], with_pair)
    places = []
    i, j = n_gold, n_predicted
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            places.append((i, j))
    return places[::-1]


def value_of(pair: Pair, schemes: Sequence[str]) -> int:
    """Return the value of a pair in a matching: 0 if it can't be matched."""
    if not can_match(*pair):
        return 0
    halves = {"COR": 2, "PAR": 1, "INC": 0}
    credit = sum(halves[category(scheme, pair)] for scheme in schemes)
    return credit * CREDIT + PAIR + overlap(*pair)


def category(scheme: str, pair: Pair) -> str:
    """Return what a scheme calls a pair: correct (COR), incorrect (INC) or partial (PAR)."""
    gold, predicted = pair
    same_span = gold.key[:2] == predicted.key[:2]
    same_label = gold.label == predicted.label
    if scheme == "partial":
        return "COR" if same_span else "PAR"
    agree = {"strict": same_span and same_label, "exact": same_span, "type": same_label}[scheme]
    return "COR" if agree else "INC"
