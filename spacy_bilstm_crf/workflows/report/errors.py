"""Sort errors into kinds, the most confident first, and count confused labels.

Each cluster of gold and predicted entities is classified, without those that are right:

- one gold entity and no predicted one: missed; the other way round: spurious;
- one of each: wrong label, wrong boundary, or both;
- one gold entity and several predicted ones: split; the other way round: merged;
- several of each: every pair of the optimal matching, and every entity without a match, by itself.

Where entities may overlap, an overlap alone is no error: two of different labels and boundaries are
not matched, and only parts of the same label that don't overlap one another are split or merged.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .matching import Cluster, Matching, Pair, clusters, match
from .mentions import Compared, Mention

BOTH_WRONG = "wrong boundary and label"
ERROR_KINDS = (
    "missed",
    "spurious",
    "wrong label",
    "wrong boundary",
    BOTH_WRONG,
    "split",
    "merged",
)
NO_MATCH = ""  # in the confusion matrix, beside the labels


class Failure(NamedTuple):
    """An error, and the entities that are involved."""

    kind: str
    doc: Compared
    gold: tuple[Mention, ...]
    predicted: tuple[Mention, ...]

    @property
    def probability(self) -> float | None:
        """The highest probability of the predicted or missed entities; None if unknown."""
        probabilities = [mention.probability for mention in self.predicted or self.gold]
        return max((one for one in probabilities if one is not None), default=None)

    @property
    def confidence(self) -> float:
        """How confident the pipeline is in its error, from 0 to 1."""
        probability = self.probability or 0.0  # a missed entity may not even be a candidate
        return probability if self.predicted else 1.0 - probability


def failures(docs: Sequence[Compared], *, may_overlap: bool = False) -> dict[str, list[Failure]]:
    """Return the errors of each kind, the most confident first.

    Args:
        docs: Gold and predicted entities of each doc.
        may_overlap: Whether the entities of one side may overlap, so that an overlap of different
            labels is no kind of error.
    """
    kinds = [kind for kind in ERROR_KINDS if not (may_overlap and kind == BOTH_WRONG)]
    found: dict[str, list[Failure]] = {kind: [] for kind in kinds}
    for doc in docs:
        for cluster in clusters(doc):
            for failure in _of_cluster(doc, cluster):
                found[failure.kind].append(failure)
    for of_kind in found.values():
        of_kind.sort(key=lambda failure: -failure.confidence)
    return found


def _of_cluster(doc: Compared, cluster: Cluster) -> Iterator[Failure]:
    matching = match(cluster.gold, cluster.predicted)
    wrong = [pair for pair in matching.pairs if pair[0].key != pair[1].key]
    fewer, more = sorted((len(cluster.gold), len(cluster.predicted)))
    if len(wrong) == len(matching.pairs) and fewer == 1 < more and _is_of_parts(cluster):
        yield Failure("split" if len(cluster.gold) == 1 else "merged", doc, *cluster)
        return
    for pair in wrong:
        yield Failure(_kind_of(pair), doc, (pair[0],), (pair[1],))
    for mention in matching.missed:
        yield Failure("missed", doc, (mention,), ())
    for mention in matching.spurious:
        yield Failure("spurious", doc, (), (mention,))


def _is_of_parts(cluster: Cluster) -> bool:
    """Tell whether the entities of the side that has several are parts of the other side's one."""
    one, several = sorted(cluster, key=len)
    if one[0].shares_with is None:
        return True
    ends = [mention.end for mention in several]
    is_apart = all(end <= after.start for end, after in zip(ends, several[1:]))
    return is_apart and all(mention.label == one[0].label for mention in several)


def _kind_of(pair: Pair) -> str:
    """Return the kind of error that a matched pair is."""
    gold, predicted = pair
    if gold.key[:2] == predicted.key[:2]:
        return "wrong label"
    same_label = gold.label == predicted.label
    return "wrong boundary" if same_label else BOTH_WRONG


def confusion(matchings: Sequence[Matching]) -> dict[tuple[str, str], int]:
    """Count how often a gold label is matched with a predicted one; "" stands for no match.

    Args:
        matchings: The matching of each doc.
    """
    counts: Counter = Counter()
    for each in matchings:
        counts.update((gold.label, predicted.label) for gold, predicted in each.pairs)
        counts.update((mention.label, NO_MATCH) for mention in each.missed)
        counts.update((NO_MATCH, mention.label) for mention in each.spurious)
    return dict(counts)
