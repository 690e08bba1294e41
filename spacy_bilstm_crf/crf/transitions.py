"""Numbers for the legal transitions, and the steps of the recursions over them.

A step of a recursion combines a number for each tag with a number for each transition. With many
tags, if the legal transitions form blocks, it visits only the pairs of tags in these blocks.
Otherwise it visits all pairs, and illegal ones have a score that rules them out.

Shapes: N rows, each a sequence at some step; K tags; see `Blocks` for F, M, G, R and C.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from .arrays import (
    Array,
    arange,
    contiguous,
    device_of,
    empty,
    full,
    maxima_of,
    namespace_of,
    quietly,
    take,
    top_k,
)
from .chain import Blocks, Legality

# From this many tags on, a step is faster block by block
MANY_TAGS = 224
# Largest table of rows and pairs of tags; a larger one is processed a few rows at a time
TABLE = 1 << 20
# NumPy is fastest with tables that stay in a processor's cache
CACHED = 1 << 16


class Pairs(NamedTuple):
    """A number for each pair of tags that may follow one another.

    Attributes:
        wide: Numbers of the wide block, [F, M]; without blocks, numbers of all pairs, [K, K].
        narrow: Numbers of the narrow blocks, [G, R, C]; None without blocks.
        blocks: The tags of the blocks; None without blocks.
    """

    wide: Array
    narrow: Array | None
    blocks: Blocks | None

    @classmethod
    def of(cls, table: Array, legal: Legality, illegal: float, in_blocks: bool = False) -> "Pairs":
        """Select the legal pairs of a table of all pairs.

        Args:
            table: Number of each tag (column) after each tag (row), [K, K].
            legal: What the tag scheme allows.
            illegal: The number of illegal pairs, if they are kept.
            in_blocks: Whether to visit blocks even if there are few tags.
        """
        blocks = legal.blocks
        in_blocks = in_blocks or len(table) >= MANY_TAGS
        if blocks is None or not len(blocks.narrow_from) or not in_blocks:
            xp = namespace_of(table)
            return cls(xp.where(legal.transitions, table, illegal), None, None)
        wide = take(take(table, blocks.wide_from), blocks.wide_to, 1)
        narrow = table[blocks.narrow_from[:, :, None], blocks.narrow_to[:, None, :]]
        return cls(wide, narrow, blocks)

    def map(self, function: Callable[[Array], Array]) -> "Pairs":
        """Apply a function to the numbers."""
        narrow = None if self.narrow is None else function(self.narrow)
        return self._replace(wide=function(self.wide), narrow=narrow)

    def times(self, others: "Pairs") -> "Pairs":
        """Multiply with other numbers of the same pairs."""
        narrow = self.narrow
        if narrow is not None and others.narrow is not None:
            narrow = narrow * others.narrow
        return self._replace(wide=self.wide * others.wide, narrow=narrow)

    def reversed(self) -> "Pairs":
        """Return the numbers for the transitions of the reversed sequences."""
        narrow = None if self.narrow is None else self.narrow.swapaxes(1, 2)
        blocks = None if self.blocks is None else self.blocks.reversed()
        return Pairs(contiguous(self.wide.T), narrow, blocks)

    @property
    def narrow_by_place(self) -> Array:
        """Numbers of the narrow blocks with the longest axis last, for speed: [R, C, G]."""
        assert self.narrow is not None
        return self.narrow.swapaxes(0, 1).swapaxes(1, 2)

    @property
    def rows_at_once(self) -> int:
        """Number of rows to process at once, at least 1."""
        return max(1, _largest_table(self.wide) // prod(self.wide.shape))

    def peak(self) -> Array:
        """Return the largest number."""
        xp = namespace_of(self.wide)
        peak = xp.amax(self.wide)
        return peak if self.narrow is None else xp.maximum(peak, xp.amax(self.narrow))

    def weighted(self, weights: Array) -> "Pairs":
        """Sum over rows, the first axis of the numbers, with weights [N]."""
        tensordot = namespace_of(weights).tensordot
        return self.map(lambda numbers: tensordot(weights, numbers, 1))

    def totals(self) -> Array:
        """Sum over the pairs of each row, the first axis of the numbers: [N]."""
        total = self.wide.sum((1, 2))
        return total if self.narrow is None else total + self.narrow.sum((1, 2, 3))

    def table(self) -> Array:
        """Return the numbers of all pairs, [K, K], with 0 for pairs that are not kept."""
        if self.blocks is None:
            return self.wide
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        n_tags = self.blocks.n_tags
        table = full((n_tags, n_tags), 0.0, like=self.wide)
        table[wide_from[:, None], wide_to] = self.wide
        if self.narrow is not None:
            table[narrow_from[:, :, None], narrow_to[:, None, :]] = self.narrow
        return table

    def sums(self, before: Array, out: Array | None = None) -> Array:
        """Sum over the tags before each tag: their numbers times those of the pairs.

        Args:
            before: Numbers of the tags before, [N, K].
            out: Array for the sums, [N, K].

        Returns:
            The sums, [N, K].
        """
        if self.blocks is None or self.narrow is None:
            return namespace_of(before).matmul(before, self.wide, out=out)
        out = empty(before.shape, like=before) if out is None else out
        wide_from, wide_to, _, narrow_to = self.blocks
        out[:, wide_to] = take(before, wide_from, 1) @ self.wide
        numbers, factors = self._narrow(before)
        for targets, sums in zip(narrow_to.T, (numbers * factors).sum(0)):
            out[:, targets] = sums
        return out

    def maxima(self, before: Array, out: Array) -> Array:
        """Take the maximum over the tags before each tag: their numbers plus those of the pairs.

        Args:
            before: Numbers of the tags before, [N, K].
            out: Array for the maxima, [N, K].

        Returns:
            The maxima, [N, K].
        """
        maxima = maxima_of(before)
        return self._reduced(before, out, lambda table: maxima(table, 0))

    def log_sums(self, before: Array) -> Array:
        """Take the log-sum-exp over the tags before each tag: their numbers plus the pairs'.

        Args:
            before: Numbers of the tags before, [N, K].

        Returns:
            The log-sums, [N, K].
        """
        return self._reduced(before, empty(before.shape, like=before), log_sum_exp)

    def _reduced(self, before: Array, out: Array, reduce: Callable[[Array], Array]) -> Array:
        """Reduce numbers plus the pairs', [tags before, N, tags after], over the first axis."""
        blocks = self.blocks
        wide_before = before if blocks is None else take(before, blocks.wide_from, 1)
        wide_after = out if blocks is None else empty((len(out), self.wide.shape[1]), like=out)
        for start in range(0, len(before), self.rows_at_once):
            some = slice(start, start + self.rows_at_once)
            sources = wide_before[some].T
            # Reducing over the first axis is many times faster than over the last, and the last
            # axis had better be long
            if sources.shape[1] > self.wide.shape[1]:
                wide_after[some] = reduce(contiguous(sources)[:, None] + self.wide[..., None]).T
            else:
                wide_after[some] = reduce(sources[..., None] + self.wide[:, None])
        if blocks is None or self.narrow is None:
            return out
        out[:, blocks.wide_to] = wide_after
        numbers, steps = self._narrow(before)
        for targets, reduced in zip(blocks.narrow_to.T, reduce(numbers + steps)):
            out[:, targets] = reduced
        return out

    def _narrow(self, before: Array) -> tuple[Array, Array]:
        """Return numbers of tags before [R, 1, N, G] and of narrow pairs [R, C, 1, G]."""
        assert self.blocks is not None
        n_blocks, n_sources = self.blocks.narrow_from.shape
        numbers = take(before, self.blocks.narrow_from.T.reshape(-1), 1)
        numbers = numbers.reshape(-1, n_sources, n_blocks).swapaxes(0, 1)
        return numbers[:, None], self.narrow_by_place[:, :, None]

    def k_maxima(self, before: Array, out: Array, origin: Array) -> None:
        """Take the k largest over the tags before each tag: their numbers plus those of the pairs.

        Args:
            before: k numbers of each tag before, [K, k].
            out: Array for the k largest, [K, k].
            origin: Array for where they come from, int64 [K, k]: tag before * k + rank.
        """
        n_tags, k = before.shape
        place = arange(n_tags * k, like=before).reshape(n_tags, k)
        blocks = self.blocks
        every = arange(n_tags, like=before)
        sources, targets = (every, every) if blocks is None else blocks[:2]
        numbers, places = before[sources], place[sources].reshape(-1)
        at_once = max(1, TABLE // len(places))
        for start in range(0, len(targets), at_once):
            some = targets[start : start + at_once]
            step = self.wide.T[start : start + at_once]
            reached = (numbers + step[..., None]).reshape(len(some), -1)  # [after, before * k]
            out[some], chosen = top_k(reached, k)
            origin[some] = places[chosen]
        if blocks is None or self.narrow is None:
            return
        narrow_from, narrow_to = blocks.narrow_from, blocks.narrow_to
        step = self.narrow.swapaxes(1, 2)[..., None]  # [G, C, R, 1]
        reached = (before[narrow_from][:, None] + step).reshape(*narrow_to.shape, -1)
        out[narrow_to], chosen = top_k(reached, k)
        block = arange(len(narrow_to), like=before)[:, None, None]
        origin[narrow_to] = place[narrow_from].reshape(len(narrow_from), -1)[block, chosen]

    @quietly
    def joint(self, left: Array, right: Array) -> "Pairs":
        """Take the exponential of each pair's number plus those of its two tags, row by row.

        Args:
            left: Numbers of the tags before, [N, K].
            right: Numbers of the tags after, [N, K].

        Returns:
            Numbers with N as their first axis.
        """
        if self.blocks is None or self.narrow is None:
            xp = namespace_of(left)
            return self._replace(wide=xp.exp(left[:, :, None] + self.wide + right[:, None]))
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        wide = left[:, wide_from, None] + self.wide + right[:, None, wide_to]
        narrow = left[:, narrow_from, None] + self.narrow + right[:, narrow_to][:, :, None]
        return Pairs(wide, narrow, self.blocks).map(namespace_of(left).exp)

    def add_rows(self, rows: Array, others: "Pairs") -> None:
        """Add other numbers to some of the rows, int64 [R], the first axis of these numbers."""
        self.wide[rows] += others.wide
        if self.narrow is not None and others.narrow is not None:
            self.narrow[rows] += others.narrow

    def counts(self, left: Array, right: Array) -> "Pairs":
        """Multiply each pair's number with the sum over rows of `left` before and `right` after it.

        Args:
            left: Numbers of the tags before, [N, K].
            right: Numbers of the tags after, [N, K].
        """
        if self.blocks is None or self.narrow is None:
            return self._replace(wide=self.wide * (left.T @ right))
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        wide = left[:, wide_from].T @ right[:, wide_to]
        within = namespace_of(left).einsum(
            "ngr,ngc->grc", left[:, narrow_from], right[:, narrow_to]
        )
        return self._replace(wide=self.wide * wide, narrow=self.narrow * within)


class BothWays:
    """A step of the sum-product recursion, for sequences and their reversals at once.

    Args:
        factors: Factors of the transitions.
    """

    def __init__(self, factors: Pairs):
        self.ways = (factors, factors.reversed())
        self.tables: Array | None = None  # [2, K, K]
        if factors.blocks is None:
            xp = namespace_of(factors.wide)
            self.tables = xp.stack([way.wide for way in self.ways])
            self.matmul = xp.matmul

    def __call__(self, before: Array, out: Array) -> None:
        """Sum over the tags before: numbers [2, B, K] times factors, into `out` [2, B, K]."""
        if self.tables is not None:
            self.matmul(before, self.tables, out=out)
        else:
            for way, of_way, into in zip(self.ways, before, out):
                way.sums(of_way, into)


class BothWaysMax:
    """A step of the max-sum recursion, for sequences and their reversals at once.

    Args:
        scores: Scores of the transitions.
        n_rows: Number of sequences, B.
    """

    tag_axis = -1

    def __init__(self, scores: Pairs, n_rows: int):
        self.ways = (scores, scores.reversed())
        self.tables: Array | None = None  # [K, 2, 1, K]
        n_tags = len(scores.wide)
        if scores.blocks is None and 2 * n_rows * n_tags**2 <= TABLE:
            self.maxima = maxima_of(scores.wide)
            self.xp = namespace_of(scores.wide)
            self.tables = self.xp.stack([way.wide for way in self.ways], 1)[:, :, None]
            self.reach = empty((n_tags, 2, n_rows, n_tags), like=scores.wide)

    def __call__(self, before: Array, out: Array) -> None:
        """Take the maximum over the tags before: numbers [2, B, K] plus scores, into `out`."""
        if self.tables is not None:
            sources = before.swapaxes(1, 2).swapaxes(0, 1)[..., None]  # [K, 2, B, 1]
            self.xp.add(sources, self.tables, out=self.reach)
            self.maxima(self.reach, 0, out=out)
        else:
            for way, of_way, into in zip(self.ways, before, out):
                way.maxima(of_way, into)

    def arranged(self, numbers: Array) -> Array:
        """Return numbers [T, 2, B, K] in the order of axes and tags of the recursion."""
        return numbers

    def natural(self, numbers: Array) -> Array:
        """Return numbers of the recursion as [T, 2, B, K]."""
        return numbers


class ManyRowsMax:
    """The step of `BothWaysMax` for many sequences in NumPy, over blocks as high as wide.

    NumPy is fast along an axis that is long and contiguous. So the sequences are the last axis, and
    the targets of a block are next to one another.
    """

    tag_axis = 1

    def __init__(self, scores: Pairs, n_rows: int):
        assert scores.blocks is not None
        ways = (scores, scores.reversed())
        self.xp = xp = namespace_of(scores.wide)
        self.maxima = maxima_of(scores.wide)
        sources, targets = scores.blocks.by_place()  # and the other way round if reversed
        of_targets, of_sources = targets.argsort(), sources.argsort()  # the place of each tag
        n_tags = len(targets)
        # Indices in [2 * K]: the tag at each place, the place of each tag, and where sources are
        self.tags = xp.concatenate([targets, sources + n_tags])
        self.places = xp.concatenate([of_targets, of_sources + n_tags])
        self.sources = xp.concatenate([of_targets[sources], of_sources[targets] + n_tags])
        # [F, 2, F, 1] and [R, 2, R, G, 1]
        self.wide = xp.stack([way.wide for way in ways], 1)[..., None]
        self.narrow = xp.stack([way.narrow_by_place for way in ways], 1)[..., None]
        _, *shape, _ = self.wide.shape
        at_once = min(len(self.wide), max(1, CACHED // (prod(shape) * n_rows)))
        self.reach = empty((at_once, *shape, n_rows), like=self.wide)
        self.narrow_reach = empty((*self.narrow.shape[:-1], n_rows), like=self.wide)

    def __call__(self, before: Array, out: Array) -> None:
        """Take the maximum over the tags before: numbers [2, K, B] plus scores, into `out`."""
        n_wide, (n_sources, _, _, n_blocks, n_rows) = len(self.wide), self.narrow_reach.shape
        sources = take(before.reshape(-1, n_rows), self.sources).reshape(before.shape)
        wide, best = sources[:, :n_wide].swapaxes(0, 1)[:, :, None], out[:, :n_wide]
        for start in range(0, n_wide, len(self.reach)):
            some = slice(start, start + len(self.reach))
            reach = self.reach[: n_wide - start]
            self.xp.add(wide[some], self.wide[some], out=reach)
            if start == 0:
                self.maxima(reach, 0, out=best)
            else:
                self.xp.maximum(best, self.maxima(reach, 0), out=best)
        shape = (2, n_sources, n_blocks, n_rows)
        narrow = sources[:, n_wide:].reshape(shape).swapaxes(0, 1)[:, :, None]
        self.xp.add(narrow, self.narrow, out=self.narrow_reach)
        self.maxima(self.narrow_reach, 0, out=out[:, n_wide:].reshape(shape))

    def arranged(self, numbers: Array) -> Array:
        """Return numbers [T, 2, B, K] in the order of axes and tags of the recursion."""
        by_tag = numbers.swapaxes(2, 3)
        flat = by_tag.reshape(len(by_tag), -1, by_tag.shape[-1])
        return take(flat, self.tags, 1).reshape(by_tag.shape)

    def natural(self, numbers: Array) -> Array:
        """Return numbers of the recursion as [T, 2, B, K]."""
        flat = numbers.reshape(len(numbers), -1, numbers.shape[-1])
        return take(flat, self.places, 1).reshape(numbers.shape).swapaxes(2, 3)


def _largest_table(like: Array) -> int:
    return TABLE if device_of(like) is not None else min(TABLE, CACHED)


def log_sum_exp(array: Array) -> Array:
    """Compute the log of the sum of exponentials along the first axis."""
    xp = namespace_of(array)
    peak = xp.amax(array, 0)
    peak = xp.where(peak > -xp.inf, peak, 0.0)
    return xp.log(xp.exp(array - peak).sum(0)) + peak
