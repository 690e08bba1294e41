"""The CRF by enumeration of all tag sequences, in plain Python: slow, and hard to get wrong.

Nothing here is shared with the package. Everything is lists of floats.
"""

import itertools
import math
from collections import Counter

# Of a chi-square variable with d degrees of freedom, above which it is once in 100,000 cases:
# Wilson and Hilferty (1931)
RARE = 4.265


def chi_square_limit(degrees):
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + RARE * math.sqrt(spread)) ** 3


def check_frequencies(drawn, probabilities):
    """Check that values are drawn as often as their probabilities say, by a chi-square test."""
    counts = Counter(drawn)
    n_drawn = sum(counts.values())
    assert counts.keys() <= {value for value, p in probabilities.items() if p > 0.0}
    common = {value: n_drawn * p for value, p in probabilities.items() if n_drawn * p >= 5}
    cells = [(counts[value], n) for value, n in common.items()]
    rest = n_drawn - sum(common.values())
    if rest >= 5:
        cells.append((n_drawn - sum(counts[value] for value in common), rest))
    statistic = sum((seen - n) ** 2 / n for seen, n in cells)
    assert statistic <= chi_square_limit(max(len(cells) - 1, 1))


class Oracle:
    """All legal and allowed tag sequences of one sequence with their scores.

    emissions: [T][K]; transitions: [K][K]; start, end: [K]; legal_*: the same shapes of bools;
    allowed: [T][K] of bools.
    """

    def __init__(
        self, emissions, transitions, start, end, legal_transitions, legal_start, legal_end, allowed
    ):
        self.n_steps, self.n_tags = len(emissions), len(start)
        self.scores = {}
        for path in itertools.product(range(self.n_tags), repeat=self.n_steps):
            steps = list(itertools.pairwise(path))
            if not (legal_start[path[0]] and legal_end[path[-1]]):
                continue
            if not all(legal_transitions[a][b] for a, b in steps):
                continue
            if not all(allowed[t][tag] for t, tag in enumerate(path)):
                continue
            self.scores[path] = math.fsum(
                [start[path[0]], end[path[-1]]]
                + [emissions[t][tag] for t, tag in enumerate(path)]
                + [transitions[a][b] for a, b in steps]
            )

    @property
    def log_partition(self):
        peak = max(self.scores.values())
        return peak + math.log(math.fsum(math.exp(s - peak) for s in self.scores.values()))

    @property
    def probabilities(self):
        log_z = self.log_partition
        return {path: math.exp(score - log_z) for path, score in self.scores.items()}

    @property
    def best_score(self):
        return max(self.scores.values())

    def marginals(self):
        table = [[0.0] * self.n_tags for _ in range(self.n_steps)]
        for path, p in self.probabilities.items():
            for t, tag in enumerate(path):
                table[t][tag] += p
        return table

    def expected_transitions(self):
        table = [[0.0] * self.n_tags for _ in range(self.n_tags)]
        for path, p in self.probabilities.items():
            for a, b in itertools.pairwise(path):
                table[a][b] += p
        return table

    def entropy(self):
        return -math.fsum(p * math.log(p) for p in self.probabilities.values() if p)

    def probability(self, condition):
        """Probability of the tag sequences for which the condition holds."""
        return math.fsum(p for path, p in self.probabilities.items() if condition(path))

    def divergence_from(self, teacher):
        """KL(teacher || self) by its definition."""
        ours, theirs = self.log_partition, teacher.log_partition
        return math.fsum(
            p * ((teacher.scores[path] - theirs) - (self.scores[path] - ours))
            for path, p in teacher.probabilities.items()
        )
