"""Offsets that were not counted in code points.

A tool that runs in a browser may count UTF-16 units, of which characters beyond U+FFFF, such as
emoji, take two. It may also count a line end of two characters as one. The text that a file quotes
of an entity shows how it was counted.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from .records import RawMention

# Other ways of counting than in code points
COUNTINGS = ("UTF-16 units", "line ends as one", "UTF-16 units, line ends as one")


def recounted(text: str, mentions: Sequence[RawMention]) -> tuple[list[RawMention], str | None]:
    """Convert mentions to code points if they were counted in another way.

    They are taken to be code points unless a quote contradicts that and another way of counting
    fits more quotes.

    Returns:
        The mentions in code points, and how they were counted, one of `COUNTINGS`; None if they
        are unchanged.
    """
    if any(mention.offsets is None for mention in mentions):
        return list(mentions), None  # a damaged file, in which each is a problem of its own
    quoted = [mention for mention in mentions if mention.quote is not None]
    best, how = list(mentions), None
    most = sum(fits(text, mention) for mention in quoted)
    if most == len(quoted):
        return best, None
    for counting in COUNTINGS:
        starts = _starts(text, counting)
        moved = [mention.moved(partial(bisect_left, starts)) for mention in mentions]
        n_fitting = sum(fits(text, mention) for mention in moved if mention.quote is not None)
        if n_fitting > most:
            best, how, most = moved, counting, n_fitting
    return best, how


def fits(text: str, mention: RawMention) -> bool:
    """Tell whether a mention covers the text that is quoted, apart from white space."""
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
