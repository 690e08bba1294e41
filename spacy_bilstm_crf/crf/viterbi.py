"""Finds the most probable tag sequence of a sequence, and the k most probable."""

from .arrays import Array, arange, device_of, empty, float64, full, namespace_of, take, top_k
from .chain import BLOCK, Legality, LinearChain, by_step
from .transitions import CACHED, MANY_TAGS, BothWaysMax, ManyRowsMax, Pairs

# Score of an impossible step in decoding. Finite, so that it can't cause NaN, and far below any sum
# of real scores
IMPOSSIBLE = -1e30
# Subtracting the best from the running scores this often keeps them small: float32 still tells
# neighbouring scores apart after a million steps
RECENTRE_EVERY = 32
# From this many sequences on, NumPy is faster along them than along the tags
MANY_ROWS = 8


def viterbi(chain: LinearChain) -> Array:
    """Find the best tag sequence of every sequence (Viterbi 1967).

    The loop computes the best score of a partial tag sequence that ends in each state, from both
    ends of a sequence at once up to its middle: half as many steps, each for twice as many rows.
    Then the best tag sequence is traced from the middle to both ends. At each step the best
    predecessor is searched again, from one row of scores for each half, which is cheaper than
    storing back-pointers for every state. Ties are broken by the sequence alone, whatever else is
    in the batch.

    Args:
        chain: The sequences.

    Returns:
        Tag ids, int64 [B, T]; meaningless beyond a sequence's end.
    """
    chain.validate()
    scores, lengths, legal, allowed = chain
    emissions, transitions, start, end = scores
    xp = namespace_of(emissions)
    if allowed is not None:
        emissions = xp.where(allowed, emissions, IMPOSSIBLE)
    start = xp.where(legal.start, start, IMPOSSIBLE)
    end = xp.where(legal.end, end, IMPOSSIBLE)
    n_rows, n_steps, n_tags = emissions.shape
    is_numpy, blocks = device_of(emissions) is None, legal.blocks
    many_rows = is_numpy and n_rows >= MANY_ROWS and blocks is not None and blocks.are_square
    in_blocks = many_rows or (is_numpy and 2 * n_rows * n_tags**2 > CACHED)
    step = Pairs.of(transitions, legal, IMPOSSIBLE, in_blocks)
    onward = (ManyRowsMax if many_rows and step.blocks else BothWaysMax)(step, n_rows)
    into = _Predecessors(transitions, legal, keep_table=n_tags < MANY_TAGS)
    rows = arange(n_rows, like=lengths)
    steps = arange(n_steps, like=lengths)[:, None]

    # The halves as sequences of their own, [T / 2, 2 * B, K], the second one reversed
    half_lengths = xp.concatenate([(lengths + 1) // 2, lengths // 2])
    inward = steps[: (n_steps + 1) // 2]
    from_end = xp.clip(lengths - 1 - inward, 0, None)
    source = xp.concatenate([inward + rows * n_steps, from_end + rows * n_steps], 1)
    halves = take(emissions.reshape(-1, n_tags), source.reshape(-1))
    halves = halves.reshape(len(inward), 2, n_rows, n_tags)
    best = _best_scores(halves, onward, xp.stack([start, end])[:, None])
    best = best.reshape(len(inward), 2 * n_rows, n_tags)

    # The tags where the halves meet. A sequence of one token has no second half
    at_end = best[xp.clip(half_lengths - 1, 0, None), arange(2 * n_rows, like=lengths)]
    first, second = at_end.reshape(2, n_rows, n_tags)
    after = (step.maxima(first, xp.empty_like(first)) + second).argmax(1)
    before = (into.of_forward(after) + first).argmax(1)
    alone = (first + end).argmax(1)
    middle = xp.concatenate([xp.where(lengths == 1, alone, before), after])

    tags = _traced_back(best, into, middle, half_lengths - 1)
    in_second = steps >= half_lengths[:n_rows]
    inverse = xp.where(in_second, lengths - 1 - steps, steps)
    inverse = xp.clip(inverse, 0, len(inward) - 1) * (2 * n_rows) + rows + in_second * n_rows
    return tags.reshape(-1)[inverse].T


class _Predecessors:
    """Looks up the transition scores into tags from all tags, in sequences and reversed ones.

    Args:
        transitions: Transition scores, [K, K].
        legal: What the tag scheme allows.
        keep_table: Whether to keep the scores in one table: with few tags it is cheap to make, and
            a lookup is a single call.
    """

    def __init__(self, transitions: Array, legal: Legality, keep_table: bool):
        self.transitions, self.legal = transitions, legal.transitions
        self.offsets = len(transitions) * arange(2, like=transitions)[:, None]
        self.table: Array | None = None
        if keep_table:
            xp = namespace_of(transitions)
            table = xp.where(legal.transitions, transitions, IMPOSSIBLE)
            self.table = xp.concatenate([table.T, table])

    def of_forward(self, tags: Array) -> Array:
        """Return the scores into tags of sequences, int64 [N]: [N, K]."""
        if self.table is not None:
            return take(self.table, tags)
        scores, legal = (take(each, tags, 1).T for each in (self.transitions, self.legal))
        return namespace_of(tags).where(legal, scores, IMPOSSIBLE)

    def of_halves(self, tags: Array) -> Array:
        """Return the scores into tags of B sequences and B reversed ones, [2 * B]: [2 * B, K]."""
        xp = namespace_of(tags)
        if self.table is not None:
            return take(self.table, (tags.reshape(2, -1) + self.offsets).reshape(-1))
        forward, back = tags.reshape(2, -1)
        scores, legal = (take(each, back) for each in (self.transitions, self.legal))
        return xp.concatenate([self.of_forward(forward), xp.where(legal, scores, IMPOSSIBLE)])


def _best_scores(emissions: Array, onward: BothWaysMax | ManyRowsMax, first: Array) -> Array:
    """Compute the best score of a partial tag sequence that ends in each state.

    Args:
        emissions: Emissions of both halves, [T, 2, B, K].
        onward: The step of the recursion.
        first: Scores for the first step of both halves, [2, 1, K].

    Returns:
        Scores [T, 2, B, K], each up to a constant of its step and sequence.
    """
    xp = namespace_of(emissions)
    emissions = onward.arranged(emissions)
    best = xp.empty_like(emissions)
    xp.add(emissions[0], onward.arranged(first[None])[0], out=best[0])
    for t, (source, score, emission) in enumerate(by_step(best[:-1], best[1:], emissions[1:])):
        onward(source, score)
        score += emission
        if t % RECENTRE_EVERY == RECENTRE_EVERY - 1:
            score -= xp.amax(score, onward.tag_axis, keepdims=True)
    return onward.natural(best)


def _traced_back(best: Array, into: _Predecessors, final: Array, last: Array) -> Array:
    """Trace the best tag sequences back from their last tags.

    Args:
        best: What `_best_scores` returned for both halves, [T, 2 * B, K].
        into: Transition scores into tags.
        final: Last tag of each half, int64 [2 * B].
        last: Step of that tag, int64 [2 * B]; -1 for none.

    Returns:
        Tag ids, int64 [T, 2 * B]; meaningless beyond a half's end.
    """
    n_steps, n_halves, _ = best.shape
    ends = set(last.tolist())
    xp = namespace_of(final)
    tags = empty((n_steps, n_halves), like=final)
    tag = final
    for start in reversed(range(0, n_steps, BLOCK)):
        steps = list(by_step(best[start : start + BLOCK], tags[start : start + BLOCK]))
        for t, (score, out) in reversed(list(enumerate(steps, start))):
            if t < n_steps - 1:
                tag = (into.of_halves(tag) + score).argmax(-1)
            if t in ends:
                tag = xp.where(last == t, final, tag)
            out[:] = tag
    return tags


def k_best(chain: LinearChain, k: int) -> tuple[Array, Array]:
    """Find the k best tag sequences by the list Viterbi algorithm.

    Viterbi keeps the best partial tag sequence that ends in each state, this algorithm the k best
    (Seshadri and Sundberg 1994, the parallel algorithm), in k times the time and memory.

    Args:
        chain: A single sequence.
        k: Number of tag sequences.

    Returns:
        Tag ids, int64 [n, T], and scores, float64 [n], best first; n is less than k where there are
        no more tag sequences.
    """
    chain.validate()
    scores, _, legal, allowed = chain
    emissions, transitions, start, end = map(float64, scores)
    xp = namespace_of(emissions)
    if allowed is not None:
        emissions = xp.where(allowed, emissions, -xp.inf)
    emissions = emissions[0]
    n_steps, n_tags = emissions.shape
    step = Pairs.of(transitions, legal, -xp.inf)
    end = xp.where(legal.end, end, -xp.inf)
    # The k best scores that end in each state, and where each came from: tag * k + rank
    best = full((n_tags, k), -xp.inf, like=emissions)
    best[:, 0] = emissions[0] + xp.where(legal.start, start, -xp.inf)
    came_from = empty((n_steps, n_tags, k), like=chain.lengths)
    for emission, origin in by_step(emissions[1:], came_from[1:]):
        before, best = best, xp.empty_like(best)
        step.k_maxima(before, best, origin)
        best += emission[:, None]
    final, place = top_k((best + end[:, None]).reshape(-1), k)
    found = final > -xp.inf
    final, place = final[found], place[found]
    tags = empty((len(place), n_steps), like=place)
    for t in range(n_steps - 1, -1, -1):
        tags[:, t] = place // k
        place = came_from[t].reshape(-1)[place]
    return tags, final
