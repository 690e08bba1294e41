"""What kinds of errors there are, the surest first, and which labels are taken for which.

Gold and predicted entities that hang together by overlaps are looked at together, without those
that are right:

- one gold entity and no predicted one: missed; the other way round: spurious;
- one and one: wrong label, wrong boundary, or both;
- one gold entity and several predicted ones: split; the other way round: merged;
- several of both: each pair of the optimal matching, and what is left, as if it stood alone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .matching import Cluster, Matching, Pair, clusters, match
from .mentions import Compared, Mention

KINDS = (
    *("missed", "spurious", "wrong label", "wrong boundary", "wrong boundary and label"),
    *("split", "merged"),
)
NONE = ""  # in the confusion matrix, beside the labels


class Failure(NamedTuple):
    """An error, with the entities that take part in it."""

    kind: str
    doc: Compared
    gold: tuple[Mention, ...]
    predicted: tuple[Mention, ...]

    @property
    def probability(self) -> float | None:
        """Of the surest predicted entity; of a missed one, what the pipeline gives it."""
        known = [
            mention.probability
            for mention in self.predicted or self.gold
            if mention.probability is not None
        ]
        return max(known, default=None)

    @property
    def sureness(self) -> float:
        """How far the pipeline is from the annotation: what errors are sorted by."""
        if not self.predicted:  # a missed entity that is not even a candidate is the surest
            return 1.0 - (self.probability or 0.0)
        return self.probability or 0.0


def failures(docs: Sequence[Compared]) -> dict[str, list[Failure]]:
    """The errors of each kind: the surest first, otherwise in the order of the docs."""
    found: dict[str, list[Failure]] = {kind: [] for kind in KINDS}
    for doc in docs:
        for cluster in clusters(doc):
            for failure in _of_cluster(doc, cluster):
                found[failure.kind].append(failure)
    for of_kind in found.values():
        of_kind.sort(key=lambda failure: -failure.sureness)
    return found


def _of_cluster(doc: Compared, cluster: Cluster) -> Iterator[Failure]:
    matching = match(cluster.gold, cluster.predicted)
    wrong = [pair for pair in matching.pairs if pair[0].key != pair[1].key]
    n_gold, n_predicted = len(cluster.gold), len(cluster.predicted)
    if len(wrong) == len(matching.pairs) and min(n_gold, n_predicted) == 1 < max(
        n_gold, n_predicted
    ):
        yield Failure("split" if n_gold == 1 else "merged", doc, *cluster)
        return
    for pair in wrong:
        yield Failure(kind_of(pair), doc, (pair[0],), (pair[1],))
    for mention in matching.missed:
        yield Failure("missed", doc, (mention,), ())
    for mention in matching.spurious:
        yield Failure("spurious", doc, (), (mention,))


def kind_of(pair: Pair) -> str:
    """What is wrong with a matched pair that is not right."""
    gold, predicted = pair
    if gold.key[:2] == predicted.key[:2]:
        return "wrong label"
    same_label = gold.label == predicted.label
    return "wrong boundary" if same_label else "wrong boundary and label"


def confusion(matchings: Sequence[Matching]) -> dict[tuple[str, str], int]:
    """How often a gold label is matched with a predicted one; "" is no match.

    Args:
        matchings: Of each doc.
    """
    counts: Counter = Counter()
    for each in matchings:
        counts.update((gold.label, predicted.label) for gold, predicted in each.pairs)
        counts.update((mention.label, NONE) for mention in each.missed)
        counts.update((NONE, mention.label) for mention in each.spurious)
    return dict(counts)
