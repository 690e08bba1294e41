"""Offsets that were not counted in code points.

A tool that runs in a browser may count UTF-16 units, of which a character beyond the 65,536 first
(an emoji, say) takes two; and it may count a line end of two characters as one. What a file quotes
of an entity shows how it was counted.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from .records import RawMention

# Other ways of counting than in code points
COUNTINGS = ("UTF-16 units", "line ends as one", "UTF-16 units, line ends as one")


def recounted(text: str, mentions: Sequence[RawMention]) -> tuple[list[RawMention], str | None]:
    """The same mentions in code points, and how they were counted if it was otherwise.

    They are taken as code points unless some quote contradicts that, and another way of counting
    fits more of them.
    """
    if not all(map(is_whole, mentions)):
        return list(mentions), None  # a damaged file, in which each is a problem of its own
    quoted = [mention for mention in mentions if mention.quote is not None]
    best, how = list(mentions), None
    most = sum(fits(text, mention) for mention in quoted)
    if most == len(quoted):
        return best, None
    for counting in COUNTINGS:
        starts = _starts(text, counting)
        moved = [_moved(mention, starts) for mention in mentions]
        n_fitting = sum(fits(text, mention) for mention in moved if mention.quote is not None)
        if n_fitting > most:
            best, how, most = moved, counting, n_fitting
    return best, how


def is_whole(mention: RawMention) -> bool:
    """Whether all offsets are whole numbers."""
    return all(
        isinstance(offset, int) and not isinstance(offset, bool)
        for fragment in mention.fragments
        for offset in fragment
    )


def fits(text: str, mention: RawMention) -> bool:
    """Whether a mention covers what is quoted, whatever white space is in it."""
    if not isinstance(mention.quote, str):
        return True
    covered = " ".join(text[start:end] for start, end in mention.fragments)
    return covered.split() == mention.quote.split()


def _starts(text: str, counting: str) -> list[int]:
    """Where each character starts in other units, and where the text ends."""
    wide = counting.startswith("UTF-16")
    joined = counting.endswith("as one")
    widths = (
        0 if joined and text[i : i + 2] == "\r\n" else 2 if wide and ord(character) > 0xFFFF else 1
        for i, character in enumerate(text)
    )
    return [0, *accumulate(widths)]


def _moved(mention: RawMention, starts: list[int]) -> RawMention:
    fragments = tuple(
        (bisect_left(starts, start), bisect_left(starts, end)) for start, end in mention.fragments
    )
    return mention._replace(fragments=fragments)
