"""Files of texts, cut into parts that a worker reads by itself."""

import codecs
import csv
import glob
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ...common.errors import UserError

PARQUET, JSON_LINES, CSV, TEXT = "parquet", "jsonl", "csv", "text"
KINDS = {
    ".parquet": PARQUET,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": TEXT,
}
DEFAULT_ID = "id"
# How bytes that are no UTF-8 are decoded: to halves of characters, which `_why_not` finds
NO_UTF8 = "surrogateescape"
# Python's own limit of 131,072 characters is for files that are no CSV at all
MOST_OF_FIELD = 1 << 30


class InputSettings(NamedTuple):
    """Where texts are in the files.

    Attributes:
        id_column: Column or key of the ids. Where there is none, file and row are the id.
        text_column: Column or key of the texts.
        lines: Whether each line of a text file is a text, instead of the file.
        rows: Rows of a part at most.
    """

    id_column: str = DEFAULT_ID
    text_column: str = "text"
    lines: bool = False
    rows: int = 2000


class Part(NamedTuple):
    """Rows of a file, or several files of one text each.

    Attributes:
        number: Its place among all parts.
        kind: What the file is.
        paths: The files; one unless they are texts.
        start: First byte, or first row of Parquet.
        end: The byte after the last.
        first_row: Rows before it in the file.
        n_rows: How many it has.
        stamps: Size and time of change of each file when it was cut.
    """

    number: int
    kind: str
    paths: tuple[str, ...]
    start: int
    end: int
    first_row: int
    n_rows: int
    stamps: tuple[tuple[int, int], ...]


def stamp(path: Path) -> tuple[int, int]:
    """What changes with a file: its size in bytes and, in nanoseconds, when it was changed."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def files_of(inputs: str, leave_out: Callable[[Path], bool] = lambda path: False) -> list[Path]:
    """The files of a path: itself, those of a folder, or those that a glob finds.

    Args:
        inputs: The path or glob.
        leave_out: Tells which files in a folder, or that a glob finds, are none of the input.

    Raises:
        UserError: If there are none, or of a kind that is not known.
    """
    path = Path(inputs)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in KINDS]
        files = [file for file in files if file.is_file()]
    else:
        files = (
            [path]
            if path.exists()
            else [Path(p) for p in sorted(glob.glob(inputs, recursive=True))]
        )
        files = [file for file in files if not file.is_dir()]
    files = [file for file in files if not leave_out(file)]
    if not files:
        raise UserError(f"There is no file {inputs}. Name a file, a folder or a glob.")
    for file in files:
        if file.suffix.lower() not in KINDS:
            endings = ", ".join(KINDS)
            raise UserError(f"{file} is of no kind that can be read: {endings}.")
    return files


def parts_of(files: Sequence[Path], settings: InputSettings) -> Iterator[Part]:
    """Cut the files into parts.

    Raises:
        UserError: If a file can't be read, or has no column of texts.
    """
    number = 0
    texts = [file for file in files if _is_text(file, settings)]
    for first in range(0, len(texts), settings.rows):
        some = tuple(str(path) for path in texts[first : first + settings.rows])
        stamps = tuple(map(stamp, texts[first : first + settings.rows]))
        yield Part(number, TEXT, some, 0, 0, 0, len(some), stamps)
        number += 1
    for file in files:
        if _is_text(file, settings):
            continue
        kind = KINDS[file.suffix.lower()]
        cut = {PARQUET: _of_parquet, CSV: _of_csv}.get(kind, _of_lines)
        stamps = (stamp(file),)
        for start, end, first_row, n_rows in cut(file, settings):
            yield Part(number, kind, (str(file),), start, end, first_row, n_rows, stamps)
            number += 1


def _is_text(path: Path, settings: InputSettings) -> bool:
    """Whether the whole of a file is one text."""
    return KINDS[path.suffix.lower()] == TEXT and not settings.lines


def _of_parquet(path: Path, settings: InputSettings) -> Iterator[tuple[int, int, int, int]]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no Parquet file: {error}") from error
    names = file.schema_arrow.names
    _check_columns(path, settings, names)
    n_rows = file.metadata.num_rows
    for first in range(0, n_rows, settings.rows):
        yield first, 0, first, min(settings.rows, n_rows - first)


def _of_lines(path: Path, settings: InputSettings) -> Iterator[tuple[int, int, int, int]]:
    with path.open("rb") as file:
        sizes = ((len(line), bool(content_of(line))) for line in file)
        yield from _by_rows(sizes, 0, settings.rows)
    if KINDS[path.suffix.lower()] == JSON_LINES:
        _check_first_line(path, settings)


def printable(text: str) -> str:
    """A string that may hold bytes that are no UTF-8, with a question mark for each."""
    return text.encode("utf8", errors="replace").decode("utf8")


def content_of(line: bytes) -> bytes:
    """What a line has beside white space and a mark of the byte order."""
    return line.removeprefix(codecs.BOM_UTF8).strip()


def _check_first_line(path: Path, settings: InputSettings) -> None:
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                value = json.loads(line.removeprefix(codecs.BOM_UTF8))
            except (ValueError, RecursionError):
                return  # an error of that row
            if isinstance(value, dict):
                _check_columns(path, settings, list(value))
            return


def _of_csv(path: Path, settings: InputSettings) -> Iterator[tuple[int, int, int, int]]:
    """A quoted field may have line ends: only reading tells where a row ends."""
    csv.field_size_limit(MOST_OF_FIELD)
    size = 0  # bytes since the last row

    def lines() -> Iterator[str]:
        nonlocal size
        with path.open("rb") as file:
            for number, line in enumerate(file):
                size += len(line)
                encoding = "utf8" if number else "utf-8-sig"
                yield line.decode(encoding, NO_UTF8)

    # Strict, or a quote that nobody closes would swallow the rest of the file
    reader = csv.reader(lines(), delimiter=delimiter_of(path), strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise UserError(f"{path} is no CSV: {_csv_problem(error)}") from error
    _check_columns(path, settings, names)
    start, size = size, 0

    def of_rows() -> Iterator[tuple[int, bool]]:
        nonlocal size
        for values in reader:
            of_row, size = size, 0
            yield of_row, bool(values)

    try:
        yield from _by_rows(of_rows(), start, settings.rows)
    except csv.Error as error:
        raise UserError(
            f"{path} is no CSV, from line {reader.line_num} on or before: {_csv_problem(error)}"
        ) from error


def _csv_problem(error: csv.Error) -> str:
    if "end of data" in str(error):
        return f"{error}. Is there a quote that is never closed?"
    if "new-line" in str(error):  # Python's own advice is for programs
        return "a carriage return (\\r) outside of quotes. Write line ends as \\n."
    return f"{error}."


def _check_columns(path: Path, settings: InputSettings, names: Sequence[str]) -> None:
    names = [printable(name) for name in names]
    if names.count(settings.text_column) != 1:
        if settings.text_column in names:
            raise UserError(f"{path} has {settings.text_column!r} twice: name them apart.")
        raise UserError(_no_column(path, settings, names))
    if names.count(settings.id_column) > 1:
        raise UserError(f"{path} has {settings.id_column!r} twice: name them apart.")
    if settings.id_column != DEFAULT_ID and settings.id_column not in names:
        raise UserError(f"{path} has no {settings.id_column!r}, but {', '.join(names)}.")


def _by_rows(
    sizes: Iterator[tuple[int, bool]], start: int, rows: int
) -> Iterator[tuple[int, int, int, int]]:
    """Groups of rows, from the bytes of each line and whether it is a row."""
    end, first_row, n = start, 0, 0
    for size, is_row in sizes:
        end += size
        n += is_row
        if n == rows:
            yield start, end, first_row, n
            start, first_row, n = end, first_row + n, 0
    if n:
        yield start, end, first_row, n


def _no_column(path: Path, settings: InputSettings, names: Sequence[str]) -> str:
    return (
        f"{path} has no {settings.text_column!r}, but {', '.join(names) or 'nothing'}. Name the "
        f"texts: --text-column"
    )


def delimiter_of(path: Path) -> str:
    """What separates the fields of a file of values."""
    return "\t" if path.suffix.lower() == ".tsv" else ","
