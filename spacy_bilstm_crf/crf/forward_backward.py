"""Forward-backward for the linear-chain CRF, as the package describes it.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from dataclasses import dataclass

from .arrays import Array, arange, empty, float64, full, namespace_of, quietly, take
from .chain import Legality, LinearChain, Scores
from .log_space import LogSpacePosterior, log_space_forward_backward
from .messages import (
    UNDERFLOW,
    emission_factors,
    is_ample,
    scaled_recursion,
    scaling,
    shared_factors,
    underflowed,
    with_peaks,
)
from .tag_sequences import TagSequences
from .transitions import Pairs


@dataclass
class Posterior:
    """The posterior distribution over the tag sequences of each sequence.

    Attributes:
        log_partition: log Z, float64 [B].
        marginals: P(y_t = k), float64 [B, T, K]; zero beyond a sequence's end.
        lengths: Length of each sequence, int64 [B].
    """

    log_partition: Array
    marginals: Array
    lengths: Array
    _lattice: "_Lattice"
    # The few sequences that were computed in log space
    _log_space_rows: Array  # [R]
    _log_space: LogSpacePosterior | None

    def expected_transitions(self, weights: Array) -> Array:
        """Compute the expected count of each transition, summed over sequences.

        Args:
            weights: Weight of each sequence, [B].

        Returns:
            Count of each tag (column) after each tag (row), float64 [K, K].
        """
        left, right = self._pair_messages(weights)
        taken = self._lattice.step.counts(_rows(left), _rows(right)).table()
        if self._log_space is not None:
            weights = float64(weights[self._log_space_rows])
            for rows, pairs in self._log_space.pairs():
                taken += pairs.weighted(weights[rows]).table()
        return taken

    def expected_scores(self, transitions: Array) -> Array:
        """Compute the expected sum of transition scores of each sequence.

        Args:
            transitions: Score of each tag (column) after each tag (row), [K, K].

        Returns:
            float64 [B].
        """
        left, right = self._pair_messages(namespace_of(self.lengths).ones_like(self.log_partition))
        step = self._lattice.step
        scores = Pairs.of(float64(transitions), self._lattice.legal, 0.0)
        arriving = step.times(scores).sums(_rows(left)).reshape(left.shape)
        expected = (arriving * right).sum((0, 2))
        if self._log_space is not None:
            for rows, pairs in self._log_space.pairs():
                expected[self._log_space_rows[rows]] = pairs.times(scores).totals()
        return expected

    @quietly
    def _pair_messages(self, weights: Array) -> tuple[Array, Array]:
        """Compute the factors of weighted pair marginals, left and right of each transition.

        P(y_t = j, y_{t+1} = k) = left[t, b, j] * step[j, k] * right[t, b, k]. Sequences that were
        computed in log space have zeros.

        Returns:
            Two arrays, float64 [T - 1, B, K].
        """
        alpha, right = self._lattice.alpha[:-1], self._lattice.right[1:]
        known = arange(len(alpha), like=self.lengths)[:, None] < self.lengths - 1  # [T - 1, B]
        where = namespace_of(alpha).where
        left = alpha * where(known, weights / self._lattice.norm[1:, :, 0], 0.0)[..., None]
        if self._log_space is not None:
            right = right + 0.0  # a copy
            left[:, self._log_space_rows] = right[:, self._log_space_rows] = 0.0
        return left, right

    @quietly
    def log_next(self, rows: Array, steps: Array, tags: Array, after: Array) -> Array:
        """Compute log P(y_{t+1} = after | y_t = tag): given the tokens, tags are a Markov chain.

        Args:
            rows: Sequence of each query, int64 [N].
            steps: t of each query, before the last step of its sequence, int64 [N].
            tags: Tag at t, with a probability above 0, int64 [N].
            after: Tag at t + 1, int64 [N].

        Returns:
            float64 [N].
        """
        lattice = self._lattice
        xp = namespace_of(tags)
        log_step = float64(lattice.transitions[tags, after])
        log_step = xp.where(lattice.legal.transitions[tags, after], log_step, -xp.inf)
        # The backward message of a state is the sum over all tags that may follow
        log_right = xp.log(lattice.right[steps + 1, rows, after])
        log_all = xp.log(lattice.after[lattice.mirror[steps, rows], rows, tags]) + lattice.peak
        if self._log_space is not None:
            place = full(self.lengths.shape, -1, like=self.lengths)
            place[self._log_space_rows] = arange(len(self._log_space_rows), like=place)
            redone = xp.where(place[rows] >= 0)[0]
            row, step = place[rows[redone]], steps[redone]
            log_right[redone] = self._log_space.right[row, step + 1, after[redone]]
            log_all[redone] = self._log_space.after[row, step, tags[redone]]
        return log_step + log_right - log_all

    def gradient(self, weights: Array, gold: TagSequences | None = None) -> Scores:
        """Compute the gradient of the weighted sum of the log-partitions: the expected counts.

        Args:
            weights: Weight of each sequence, [B].
            gold: Tag sequences of the first sequences, whose counts are subtracted.

        Returns:
            The gradient: emissions per sequence, all else summed over sequences.
        """
        emissions = self.marginals * weights[:, None, None]
        transitions = self.expected_transitions(weights)
        if gold is not None:
            gold.subtract_from(emissions, transitions)
        rows = arange(len(self.lengths), like=self.lengths)
        return Scores(
            emissions=emissions,
            transitions=transitions,
            start=emissions[:, 0].sum(0),
            end=emissions[rows, self.lengths - 1].sum(0),
        )


@dataclass
class _Lattice:
    """The messages, each step with a scale of its own: only ratios within a step have a meaning.

    Attributes:
        alpha: Forward messages, the state's own emission included, [T, B, K].
        right: Backward messages, the state's own emission included, [T, B, K].
        norm: Sum over states of the forward message without the emission times `right`, [T, B, 1].
        after: Backward messages without the state's own emission, by mirrored step, [T, B, K].
        mirror: Steps of the sequences counted from their ends, int64 [T, B].
        step: Factors of the transitions.
        peak: The score whose factor is 1.
        transitions: Transition scores, [K, K].
        legal: What the tag scheme allows.
    """

    alpha: Array
    right: Array
    norm: Array
    after: Array
    mirror: Array
    step: Pairs
    peak: Array
    transitions: Array
    legal: Legality


@quietly
def forward_backward(chain: LinearChain) -> Posterior:
    """Compute the posterior of every sequence.

    The recursions (Rabiner 1989) run in float64 on probabilities that are rescaled on the way. The
    backward pass is a forward pass over the reversed sequence with transposed transitions, so both
    share one loop of [2, B, K] x [2, K, K] products. Sequences in which a reachable state comes
    near the underflow of float64 (more than 500 nats behind) are computed again in log space.

    Args:
        chain: The sequences.

    Returns:
        The posterior.

    Raises:
        ValueError: If a sequence has no legal tag sequence.
    """
    chain.validate()
    scores, lengths, legal, allowed = chain
    n_rows, n_steps, n_tags = scores.emissions.shape
    xp = namespace_of(lengths)
    rows = arange(n_rows, like=lengths)
    steps = arange(n_steps, like=lengths)[:, None]
    inside = steps < lengths  # [T, B]
    mirror = xp.where(inside, lengths - 1 - steps, steps)

    # Potentials as factors in [0, 1], also beyond a sequence's end: the loop needs no mask, and
    # whatever it computes there is cut out afterwards
    emissions = scores.emissions
    shared = shared_factors(scores, legal)
    scale_every, peak = scaling(emissions, shared)
    if scale_every > 1:
        peaks = lengths * peak
    else:
        emissions, peak = with_peaks(emissions, allowed, inside.T)
        peaks = peak.sum((1, 2))
    message = _both_ways(emission_factors(emissions, allowed, peak), mirror)
    arriving, scale = scaled_recursion(message, shared.step, shared.ends[:, None], scale_every)

    least_scale = xp.amin(scale)
    if not least_scale > 0:  # a dead end: beyond a sequence's end, or to be computed again
        for messages in (message, arriving):
            messages[~xp.isfinite(messages)] = 0.0
    # The row of [T, 2, B, K] with the backward message of each step
    on_way_back = ((2 * mirror + 1) * n_rows + rows).reshape(-1)
    right = take(message.reshape(-1, n_tags), on_way_back).reshape(n_steps, n_rows, n_tags)
    marginals = arriving[:, 0]
    marginals *= right
    norm = (marginals @ xp.ones_like(shared.ends[0]))[..., None]  # [T, B, 1]
    marginals *= xp.where(inside[..., None], 1.0 / norm, 0.0)
    scaled = steps[::scale_every] < lengths  # [number of scalings, B]
    # The backward messages, from the end to the first step, and the start score
    log_partition = (
        peaks
        + xp.where(scaled, xp.log(scale[:, 1]), 0.0).sum(0)
        + xp.log(norm[0, :, 0])
        + (lengths + 1) * shared.peak  # for the start, each transition and the end
    )

    redo = rows[:0]
    ample = scale_every > 1 and is_ample(message, scale_every)
    if not (ample and xp.minimum(xp.amin(norm), least_scale) >= UNDERFLOW):
        # [B]: divides by nearly nothing, or by zero if there is no legal tag sequence
        unsafe = (~(norm[..., 0] >= UNDERFLOW) & inside).any(0)
        unsafe |= (~(xp.amin(scale, 1) >= UNDERFLOW) & scaled).any(0)
        unsafe |= underflowed(chain, mirror, message, scale, scale_every)
        redo = xp.where(unsafe)[0]
    marginals = marginals.swapaxes(0, 1)
    redone = None
    if len(redo):
        redone = log_space_forward_backward(chain.rows(redo))
        log_partition[redo], marginals[redo] = redone.log_partition, redone.marginals
    lattice = _Lattice(
        alpha=message[:, 0],
        right=right,
        norm=norm,
        after=arriving[:, 1],
        mirror=mirror,
        step=shared.factors,
        peak=shared.peak,
        transitions=scores.transitions,
        legal=legal,
    )
    return Posterior(log_partition, marginals, lengths, lattice, redo, redone)


def _both_ways(factors: Array, mirror: Array) -> Array:
    """Put factors [B, T, K] in the order of the steps in both directions: [T, 2, B, K]."""
    n_rows, n_steps, n_tags = factors.shape
    places = empty((n_steps, 2, n_rows), like=mirror)  # of rows of [B * T, K]
    places[:, 0] = arange(n_steps, like=mirror)[:, None]
    places[:, 1] = mirror
    places += n_steps * arange(n_rows, like=mirror)
    return take(_rows(factors), places.reshape(-1)).reshape(n_steps, 2, n_rows, n_tags)


def _rows(numbers: Array) -> Array:
    """View numbers of [T, B, K] as rows, [T * B, K]."""
    return numbers.reshape(-1, numbers.shape[-1])
