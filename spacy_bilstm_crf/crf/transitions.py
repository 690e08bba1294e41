"""Numbers for the legal transitions, and the steps of the recursions over them.

A step of a recursion combines a number for each tag with a number for each transition. With many
tags, if the legal transitions form blocks, it visits only the pairs of tags in these blocks.
Otherwise it visits all pairs, and illegal ones have a score that rules them out.

Shapes: N rows, each a sequence at some step; K tags; see `Blocks` for F, M, G, R and C.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Blocks, Legality

# From this many tags on, a step is faster block by block
MANY_TAGS = 224
# Largest table of rows and pairs of tags; a larger one is processed a few rows at a time
TABLE = 1 << 20


class Pairs(NamedTuple):
    """A number for each pair of tags that may follow one another.

    Attributes:
        wide: Numbers of the wide block, [F, M]; without blocks, numbers of all pairs, [K, K].
        narrow: Numbers of the narrow blocks, [G, R, C]; None without blocks.
        blocks: The tags of the blocks; None without blocks.
    """

    wide: Tensor
    narrow: Tensor | None
    blocks: Blocks | None

    @classmethod
    def of(cls, table: Tensor, legal: Legality, illegal: float) -> "Pairs":
        """Select the legal pairs of a table of all pairs.

        Args:
            table: Number of each tag (column) after each tag (row), [K, K].
            legal: What the tag scheme allows.
            illegal: The number of illegal pairs, if they are kept.
        """
        blocks = legal.blocks
        if blocks is None or not len(blocks.narrow_from) or len(table) < MANY_TAGS:
            return cls(table.masked_fill(~legal.transitions, illegal), None, None)
        wide = table.index_select(0, blocks.wide_from).index_select(1, blocks.wide_to)
        narrow = table[blocks.narrow_from[:, :, None], blocks.narrow_to[:, None, :]]
        return cls(wide, narrow, blocks)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Pairs":
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
        narrow = None if self.narrow is None else self.narrow.transpose(1, 2)
        blocks = None if self.blocks is None else self.blocks.reversed()
        return Pairs(self.wide.T.contiguous(), narrow, blocks)

    @property
    def rows_at_once(self) -> int:
        """Number of rows to process at once, at least 1."""
        return max(1, TABLE // self.wide.numel())

    def peak(self) -> Tensor:
        """Return the largest number."""
        peak = self.wide.amax()
        return peak if self.narrow is None else torch.maximum(peak, self.narrow.amax())

    def weighted(self, weights: Tensor) -> "Pairs":
        """Sum over rows, the first axis of the numbers, with weights [N]."""
        return self.map(lambda numbers: torch.tensordot(weights, numbers, 1))

    def totals(self) -> Tensor:
        """Sum over the pairs of each row, the first axis of the numbers: [N]."""
        total = self.wide.sum((1, 2))
        return total if self.narrow is None else total + self.narrow.sum((1, 2, 3))

    def table(self) -> Tensor:
        """Return the numbers of all pairs, [K, K], with 0 for pairs that are not kept."""
        if self.blocks is None:
            return self.wide
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        n_tags = self.blocks.n_tags
        table = self.wide.new_zeros(n_tags, n_tags)
        table[wide_from[:, None], wide_to] = self.wide
        if self.narrow is not None:
            table[narrow_from[:, :, None], narrow_to[:, None, :]] = self.narrow
        return table

    def sums(self, before: Tensor, out: Tensor | None = None) -> Tensor:
        """Sum over the tags before each tag: their numbers times those of the pairs.

        Args:
            before: Numbers of the tags before, [N, K].
            out: Tensor for the sums, [N, K].

        Returns:
            The sums, [N, K].
        """
        if self.blocks is None or self.narrow is None:
            return torch.mm(before, self.wide, out=out)
        out = torch.empty_like(before) if out is None else out
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        out.index_copy_(1, wide_to, before.index_select(1, wide_from) @ self.wide)
        within = out.new_zeros(len(before), *narrow_to.shape)  # [N, G, C]
        for sources, factors in zip(narrow_from.T, self.narrow.unbind(1)):
            within.addcmul_(before.index_select(1, sources)[..., None], factors)
        return out.index_copy_(1, narrow_to.flatten(), within.flatten(1))

    def maxima(self, before: Tensor, out: Tensor) -> Tensor:
        """Take the maximum over the tags before each tag: their numbers plus those of the pairs.

        Args:
            before: Numbers of the tags before, [N, K].
            out: Tensor for the maxima, [N, K].

        Returns:
            The maxima, [N, K].
        """
        return self._reduced(before, out, lambda table: table.amax(0))

    def log_sums(self, before: Tensor) -> Tensor:
        """Take the log-sum-exp over the tags before each tag: their numbers plus the pairs'.

        Args:
            before: Numbers of the tags before, [N, K].

        Returns:
            The log-sums, [N, K].
        """
        return self._reduced(
            before, torch.empty_like(before), lambda table: torch.logsumexp(table, 0)
        )

    def _reduced(self, before: Tensor, out: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """Reduce numbers plus the pairs', [tags before, N, tags after], over the first axis."""
        blocks = self.blocks
        wide_before = before if blocks is None else before.index_select(1, blocks.wide_from)
        wide_after = out if blocks is None else out.new_empty(len(out), self.wide.shape[1])
        at_once = self.rows_at_once
        for some, after in zip(wide_before.split(at_once), wide_after.split(at_once)):
            # Reducing over the first axis is many times faster than over the last
            after.copy_(reduce(some.T[:, :, None] + self.wide[:, None]))
        if blocks is None or self.narrow is None:
            return out
        out.index_copy_(1, blocks.wide_to, wide_after)
        narrow_before = before[:, blocks.narrow_from].permute(2, 0, 1)[..., None]  # [R, N, G, 1]
        within = reduce(narrow_before + self.narrow.transpose(0, 1)[:, None])  # [N, G, C]
        return out.index_copy_(1, blocks.narrow_to.flatten(), within.flatten(1))

    def k_maxima(self, before: Tensor, out: Tensor, origin: Tensor) -> None:
        """Take the k largest over the tags before each tag: their numbers plus those of the pairs.

        Args:
            before: k numbers of each tag before, [K, k].
            out: Tensor for the k largest, [K, k].
            origin: Tensor for where they come from, int64 [K, k]: tag before * k + rank.
        """
        n_tags, k = before.shape
        place = torch.arange(n_tags * k, device=before.device).view(n_tags, k)
        blocks = self.blocks
        every = torch.arange(n_tags, device=before.device)
        sources, targets = (every, every) if blocks is None else blocks[:2]
        flat, places = before[sources].flatten(), place[sources].flatten()
        at_once = max(1, TABLE // len(places))
        for some, step in zip(targets.split(at_once), self.wide.T.split(at_once)):
            # [tags after, tags before * k]
            out[some], chosen = (flat + step.repeat_interleave(k, 1)).topk(k)
            origin[some] = places[chosen]
        if blocks is None or self.narrow is None:
            return
        step = self.narrow.transpose(1, 2).repeat_interleave(k, 2)  # [G, C, R * k]
        best, chosen = (before[blocks.narrow_from].flatten(1)[:, None] + step).topk(k)
        out[blocks.narrow_to] = best
        places = place[blocks.narrow_from].flatten(1)[:, None].expand_as(step)
        origin[blocks.narrow_to] = places.gather(2, chosen)

    def joint(self, left: Tensor, right: Tensor) -> "Pairs":
        """Take the exponential of each pair's number plus those of its two tags, row by row.

        Args:
            left: Numbers of the tags before, [N, K].
            right: Numbers of the tags after, [N, K].

        Returns:
            Numbers with N as their first axis.
        """
        if self.blocks is None or self.narrow is None:
            return self._replace(wide=(left[:, :, None] + self.wide + right[:, None]).exp())
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        wide = left[:, wide_from, None] + self.wide + right[:, None, wide_to]
        narrow = left[:, narrow_from, None] + self.narrow + right[:, narrow_to][:, :, None]
        return Pairs(wide.exp(), narrow.exp(), self.blocks)

    def add_rows(self, rows: Tensor, others: "Pairs") -> None:
        """Add other numbers to some of the rows, int64 [R], the first axis of these numbers."""
        self.wide.index_add_(0, rows, others.wide)
        if self.narrow is not None and others.narrow is not None:
            self.narrow.index_add_(0, rows, others.narrow)

    def counts(self, left: Tensor, right: Tensor) -> "Pairs":
        """Multiply each pair's number with the sum over rows of `left` before and `right` after it.

        Args:
            left: Numbers of the tags before, [N, K].
            right: Numbers of the tags after, [N, K].
        """
        if self.blocks is None or self.narrow is None:
            return self._replace(wide=self.wide * (left.T @ right))
        wide_from, wide_to, narrow_from, narrow_to = self.blocks
        wide = left[:, wide_from].T @ right[:, wide_to]
        within = torch.einsum("ngr,ngc->grc", left[:, narrow_from], right[:, narrow_to])
        return self._replace(wide=self.wide * wide, narrow=self.narrow * within)


class BothWays:
    """A step of the sum-product recursion, for sequences and their reversals at once.

    Args:
        factors: Factors of the transitions.
    """

    def __init__(self, factors: Pairs):
        self.ways = (factors, factors.reversed())
        self.tables: Tensor | None = None  # [2, K, K]
        if factors.blocks is None:
            # A product with a transposed matrix is a little faster
            self.tables = torch.stack([factors.wide.T, factors.wide]).transpose(1, 2)

    def __call__(self, before: Tensor, out: Tensor) -> None:
        """Sum over the tags before: numbers [2, B, K] times factors, into `out` [2, B, K]."""
        if self.tables is not None:
            torch.bmm(before, self.tables, out=out)
        else:
            for way, of_way, into in zip(self.ways, before, out):
                way.sums(of_way, into)


class BothWaysMax:
    """A step of the max-sum recursion, for sequences and their reversals at once.

    Args:
        scores: Scores of the transitions.
        n_rows: Number of sequences, B.
    """

    def __init__(self, scores: Pairs, n_rows: int):
        self.ways = (scores, scores.reversed())
        self.tables: Tensor | None = None  # [K, 2, 1, K]
        if scores.blocks is None and 2 * n_rows * scores.wide.numel() <= TABLE:
            self.tables = torch.stack([way.wide for way in self.ways], 1).unsqueeze(2)
            self.reach = scores.wide.new_empty(len(scores.wide), 2, n_rows, len(scores.wide))

    def __call__(self, before: Tensor, out: Tensor) -> None:
        """Take the maximum over the tags before: numbers [2, B, K] plus scores, into `out`."""
        if self.tables is not None:
            torch.add(before.permute(2, 0, 1)[..., None], self.tables, out=self.reach)
            torch.amax(self.reach, 0, out=out)
        else:
            for way, of_way, into in zip(self.ways, before, out):
                way.maxima(of_way, into)
