"""Random batches for the CRF, whose enumeration is there too."""

import math

import numpy as np

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import legality
from spacy_bilstm_crf.tags import count_tags, spans_of_tags
from tests.arrays import array
from tests.oracle import Oracle


class Problem:
    """A random batch, with masks that leave every sequence at least one tag sequence."""

    def __init__(
        self,
        seed,
        lengths,
        n_tags,
        *,
        dtype=np.float64,
        scale=2.0,
        density=0.7,
        in_blocks=False,
    ):
        rng = np.random.default_rng(seed)
        n_rows, n_steps = len(lengths), max(lengths)
        self.dtype = dtype

        def scores(*shape):
            return array(rng.normal(0, scale, shape), dtype)

        self.scores = crf.Scores(
            scores(n_rows, n_steps, n_tags), scores(n_tags, n_tags), scores(n_tags), scores(n_tags)
        )
        self.lengths = array(lengths)
        # A witness that stays legal, allowed and gold in each row
        witness = rng.integers(0, n_tags, (n_rows, n_steps))
        legal = [rng.random(shape) < density for shape in ((n_tags, n_tags), n_tags, n_tags)]
        blocks = None
        if in_blocks:
            blocks, legal[0] = random_blocks(rng, n_tags)
            for t in range(1, n_steps):
                witness[:, t] = [rng.choice(np.flatnonzero(legal[0][i])) for i in witness[:, t - 1]]
        self.allowed = array(rng.random((n_rows, n_steps, n_tags)) < density)
        self.gold = array(rng.random((n_rows, n_steps, n_tags)) < 0.5)
        for row, length in enumerate(lengths):
            path = witness[row, :length]
            legal[0][path[:-1], path[1:]] = True
            legal[1][path[0]] = True
            legal[2][path[-1]] = True
            for mask in (self.allowed, self.gold):
                mask[row, range(length), path] = True
        self.legal = crf.Legality(*map(array, legal), blocks)

    @property
    def chain(self):
        return crf.LinearChain(self.scores, self.lengths, self.legal, self.allowed)

    def oracle(self, row, *masks, scores=None):
        scores = scores or self.scores
        n = int(self.lengths[row])
        allowed = self.allowed[row]
        for mask in masks:
            allowed = allowed & mask
        return Oracle(
            scores.emissions[row, :n].tolist(),
            *(part.tolist() for part in scores[1:]),
            *(part.tolist() for part in self.legal[:3]),
            allowed[:n].tolist(),
        )

    def posterior(self):
        return crf.forward_backward(self.chain)

    def nll(self, **wrong):
        return crf.negative_log_likelihood(self.chain, self.gold, **wrong)


def random_blocks(rng, n_tags):
    """Legal transitions in blocks, once as blocks and once as a table."""
    height, width = rng.integers(1, 3, 2)
    n_blocks = rng.integers(0, (n_tags - 1) // max(height, width) + 1)
    sources, targets = rng.permutation(n_tags), rng.permutation(n_tags)
    narrow = [
        sources[: n_blocks * height].reshape(n_blocks, height),
        targets[: n_blocks * width].reshape(n_blocks, width),
    ]
    wide = [sources[n_blocks * height :], targets[n_blocks * width :]]
    table = np.zeros((n_tags, n_tags), dtype=bool)
    for before, after in [wide, *zip(*narrow)]:
        table[np.ix_(before, after)] = True
    return crf.Blocks(*map(array, [*wide, *narrow])), table


class Batch:
    """Random scores of BILUO tags, with masks that leave at least the outside tag."""

    def __init__(self, seed, lengths, n_labels, scale):
        rng = np.random.default_rng(seed)
        n_tags = count_tags(n_labels)

        def scores(*shape):
            return array(rng.normal(0, scale, shape), np.float32)

        self.lengths = lengths
        self.scores = crf.Scores(
            scores(len(lengths), max(lengths), n_tags),
            scores(n_tags, n_tags),
            scores(n_tags),
            scores(n_tags),
        )
        self.allowed = array(rng.random(self.scores.emissions.shape) < 0.8)
        self.allowed[..., 0] = True
        self.legal = legality(n_tags, crf.device_of(self.allowed))

    @property
    def chain(self):
        lengths = array(self.lengths)
        return crf.LinearChain(self.scores, lengths, self.legal, self.allowed)

    def posterior(self):
        return crf.forward_backward(self.chain)

    def probabilities(self, row):
        """Of each entity that some tag sequence has, by enumeration of the tag sequences."""
        n = self.lengths[row]
        oracle = Oracle(
            self.scores.emissions[row, :n].tolist(),
            *(part.tolist() for part in self.scores[1:]),
            *(part.tolist() for part in self.legal[:3]),
            self.allowed[row, :n].tolist(),
        )
        found = {}
        for path, p in oracle.probabilities.items():
            for span in spans_of_tags(np.array(path)):
                found.setdefault(span, []).append(p)
        return {span: math.fsum(parts) for span, parts in found.items()}
