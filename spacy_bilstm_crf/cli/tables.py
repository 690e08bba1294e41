"""Tables that several commands print, in one style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from wasabi import table

if TYPE_CHECKING:
    from ..workflows.quality import Quality


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose others are numbers."""
    aligns: list[Literal["l", "r"]] = ["l" if i == 0 else "r" for i in range(len(header))]
    # Without a limit names of pipelines would be cut
    print(table(rows, header=header, divider=True, aligns=aligns, max_col=1000))


def print_qualities(qualities: Mapping[str, Quality | None]) -> None:
    """Print a table of scores, if there are any.

    Args:
        qualities: Scores by the name of their row.
    """
    rows = [
        [name, _number(of.f, 100, 2), _number(of.ece, 1, 3), _number(of.nll, 1, 3)]
        for name, of in qualities.items()
        if of is not None
    ]
    if rows:
        print_table(["", "F", "ECE", "NLL"], rows)


def _number(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"
