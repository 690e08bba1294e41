"""Match gold with predicted entities: an optimal one-to-one matching.

Only entities that share a token can be matched. Each scheme of SemEval-2013 task 9 gives a pair
credit: strict, exact and type give 1 or 0, partial gives 1 for the same boundaries and 1/2
otherwise. A scheme is scored with a matching that earns the most credit under it. Kinds of errors
and confusion need one matching for all schemes: there the credits of the four are added up. Among
matchings of equal credit, one with the most pairs is taken, then one whose pairs share the most
tokens.

The entities of one side don't overlap, so matched pairs can't cross. Hence dynamic programming over
prefixes, as for an edit distance, finds the optimum.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .mentions import Compared, Mention

Pair = tuple[Mention, Mention]  # gold, predicted
# One more pair outweighs any number of shared tokens, and credit outweighs both
PAIR = 1 << 30
CREDIT = 1 << 60
SCHEMES = ("strict", "exact", "partial", "type")


class Cluster(NamedTuple):
    """Gold and predicted entities that are connected by overlaps."""

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


def clusters(doc: Compared) -> Iterator[Cluster]:
    """Yield the connected components of the graph of overlaps, in the order of the text."""
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
    """Return an optimal matching of entities, each side in order and without overlaps.

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
    if len(gold) == len(predicted) == 1 and overlap(gold[0], predicted[0]):
        return Matching([(gold[0], predicted[0])], [], [])
    best = _best_of_prefixes(gold, predicted, schemes)
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


def _best_of_prefixes(
    gold: Sequence[Mention], predicted: Sequence[Mention], schemes: Sequence[str]
) -> list[list[int]]:
    """Return a table of the best value for the first i gold and the first j predicted entities."""
    best = [[0] * (len(predicted) + 1) for _ in range(len(gold) + 1)]
    for i, one in enumerate(gold, 1):
        for j, other in enumerate(predicted, 1):
            # A pair that shares no token is worth 0, as no pair is
            with_pair = best[i - 1][j - 1] + value_of((one, other), schemes)
            best[i][j] = max(best[i - 1][j], best[i][j - 1], with_pair)
    return best


def value_of(pair: Pair, schemes: Sequence[str]) -> int:
    """Return the value of a pair in a matching: 0 if it shares no token."""
    shared = overlap(*pair)
    if not shared:
        return 0
    halves = {"COR": 2, "PAR": 1, "INC": 0}
    credit = sum(halves[category(scheme, pair)] for scheme in schemes)
    return credit * CREDIT + PAIR + shared


def category(scheme: str, pair: Pair) -> str:
    """Return what a scheme calls a pair: correct (COR), incorrect (INC) or partial (PAR)."""
    gold, predicted = pair
    same_span = gold.key[:2] == predicted.key[:2]
    same_label = gold.label == predicted.label
    if scheme == "partial":
        return "COR" if same_span else "PAR"
    agree = {"strict": same_span and same_label, "exact": same_span, "type": same_label}[scheme]
    return "COR" if agree else "INC"
