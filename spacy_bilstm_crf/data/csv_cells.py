"""Cells of CSV files of any length."""

import csv
from collections.abc import Iterator
from threading import Lock
from typing import TypeVar

_Row = TypeVar("_Row")

# A quote that is never closed ends a strict reader, so the limit needn't
MOST_OF_CELL = 2**31 - 1
_reading = Lock()


def with_long_cells(rows: Iterator[_Row]) -> Iterator[_Row]:
    """Read rows whose cells may have more than the csv module's 131,072 characters.

    The module has one limit for all readers of the process, so it is raised only while a row is
    read, by one thread at a time.

    Args:
        rows: A `csv.reader` or `csv.DictReader`, which should be strict.

    Yields:
        Its rows.

    Raises:
        csv.Error: If the reader refuses a row.
    """
    while True:
        with _reading:
            limit = csv.field_size_limit(MOST_OF_CELL)
            try:
                row = next(rows)
            except StopIteration:
                return
            finally:
                csv.field_size_limit(limit)
        yield row
