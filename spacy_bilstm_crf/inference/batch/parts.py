"""Files of texts, cut into parts that a worker reads by itself."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ...common.errors import UserError
from ...common.files import stamp
from ...data import parquet, texts
from ...data.texts import TEXT, TextSettings, text_kind
from .columns import Column, column_values, parquet_values
from .table import STRING

ROWS = pa.schema({"id": STRING, "text": STRING, "words": pa.list_(STRING), "error": STRING})


class Part(NamedTuple):
    """Rows of a file, or several files of one text each.

    Attributes:
        number: Its place among all parts.
        paths: The files; one unless each is a text.
        start: The first byte; the first row of Parquet and .spacy files.
        end: The byte or row after the last.
        first_row: The number of rows before it in the file.
        n_rows: How many it has.
        stamps: Size and times of change of each file when it was cut.
    """

    number: int
    paths: tuple[str, ...]
    start: int
    end: int
    first_row: int
    n_rows: int
    stamps: tuple[tuple[int, int, int], ...]


def parts_of(files: Sequence[Path], settings: TextSettings, rows: int) -> Iterator[Part]:
    """Cut files into parts.

    Args:
        files: The files, as `text_files` lists them.
        settings: Where the texts are in them.
        rows: The most rows that a part has.

    Raises:
        UserError: If a file can't be read, or has no column of texts.
    """
    numbers = count()
    whole = [file for file in files if text_kind(file, settings) == TEXT]
    for first in range(0, len(whole), rows):
        some = whole[first : first + rows]
        stamps = tuple(map(stamp, some))
        yield Part(next(numbers), tuple(map(str, some)), 0, 0, 0, len(some), stamps)
    for file in files:
        if text_kind(file, settings) == TEXT:
            continue
        texts.check_columns(file, settings)
        stamps = (stamp(file),)
        for start, end, first_row, n_rows in _groups(_row_ends(file, settings), rows):
            yield Part(next(numbers), (str(file),), start, end, first_row, n_rows, stamps)


def _row_ends(path: Path, settings: TextSettings) -> Iterator[int]:
    """Yield where the first row of a file starts, and where each of its rows ends."""
    kind = text_kind(path, settings)
    if kind == texts.PARQUET:
        yield from range(parquet.open_parquet(path).metadata.num_rows + 1)
    elif kind == texts.DOCS:
        yield from range(len(texts.open_docs(path)) + 1)
    elif kind == texts.CSV:  # whose header ends where the first row starts
        yield from (end for values, end in texts.csv_rows(path) if values)
    else:
        yield 0
        yield from (end for line, end in texts.lines_of(path) if line.strip())


def _groups(ends: Iterator[int], rows: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield start, end, first row and number of rows of groups of so many rows at most."""
    start = end = next(ends)
    first_row = n = 0
    for end in ends:
        n += 1
        if n == rows:
            yield start, end, first_row, n
            start, first_row, n = end, first_row + n, 0
    if n:
        yield start, end, first_row, n


def read_part(
    part: Part, settings: TextSettings, columns: Sequence[Column] = ()
) -> tuple[pa.Table, pa.Table]:
    """Read the rows of a part.

    Args:
        part: The part.
        settings: Where the texts are.
        columns: The other columns to read.

    Returns:
        A table with the columns "id", "text", "words", where the file knows words and not spaces,
        and "error", which says why a row has no text; and a table of the other columns.

    Raises:
        UserError: If a file is not what it was when it was cut.
    """
    try:
        return _tables(part, settings, columns)
    finally:  # a file that has changed in between may be read without an error, or fail in any way
        _check_unchanged(part, settings)


def _tables(
    part: Part, settings: TextSettings, columns: Sequence[Column]
) -> tuple[pa.Table, pa.Table]:
    rows: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for path in part.paths:
        for text in texts.read_rows(Path(path), settings, part.start, part.end):
            place = texts.printable(f"{path}:{part.first_row + len(rows) + 1}")
            rows.append({**text._asdict(), "id": place if text.id is None else text.id})
            others.append(text.columns)
            if text.error is not None:
                rows[-1]["text"] = None
    first = Path(part.paths[0])
    if text_kind(first, settings) == texts.PARQUET:
        values = parquet_values(columns, first, part.start, part.end)
    else:
        values = [column_values(column, others) for column in columns]
    schema = pa.schema([(column.name, column.type) for column in columns])
    return pa.Table.from_pylist(rows, schema=ROWS), pa.Table.from_arrays(values, schema=schema)


def _check_unchanged(part: Part, settings: TextSettings) -> None:
    for name, before in zip(part.paths, part.stamps):
        path = Path(name)
        if not path.exists() and text_kind(path, settings) == TEXT:
            continue  # its row says so
        if not path.exists() or stamp(path) != tuple(before):
            raise UserError(
                f"{name} has changed since the run began. Start over with --force, or name another "
                f"folder."
            )
