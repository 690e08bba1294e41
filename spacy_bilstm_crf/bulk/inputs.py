"""Files of texts, cut into parts that a worker reads by itself."""

import codecs
import csv
import glob
import io
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import pyarrow as pa
import pyarrow.parquet as pq

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
    """

    number: int
    kind: str
    paths: Tuple[str, ...]
    start: int
    end: int
    first_row: int
    n_rows: int


class InputFileError(ValueError):
    """Input that can't be read at all. The message is one line and names the file."""


def files_of(inputs: str) -> List[Path]:
    """The files of a path: itself, those of a folder, or those that a glob finds.

    Raises:
        InputFileError: If there are none, or of a kind that is not known.
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
    if not files:
        raise InputFileError(f"There is no file {inputs}. Name a file, a folder or a glob.")
    for file in files:
        if file.suffix.lower() not in KINDS:
            endings = ", ".join(KINDS)
            raise InputFileError(f"{file} is of no kind that can be read: {endings}.")
    return files


def parts_of(files: Sequence[Path], settings: InputSettings) -> Iterator[Part]:
    """Cut the files into parts.

    Raises:
        InputFileError: If a file can't be read, or has no column of texts.
    """
    number = 0
    texts = [file for file in files if _is_text(file, settings)]
    for first in range(0, len(texts), settings.rows):
        some = tuple(str(path) for path in texts[first : first + settings.rows])
        yield Part(number, TEXT, some, 0, 0, 0, len(some))
        number += 1
    for file in files:
        if _is_text(file, settings):
            continue
        kind = KINDS[file.suffix.lower()]
        cut = {PARQUET: _of_parquet, CSV: _of_csv}.get(kind, _of_lines)
        for start, end, first_row, n_rows in cut(file, settings):
            yield Part(number, kind, (str(file),), start, end, first_row, n_rows)
            number += 1


def _is_text(path: Path, settings: InputSettings) -> bool:
    """Whether the whole of a file is one text."""
    return KINDS[path.suffix.lower()] == TEXT and not settings.lines


def _of_parquet(path: Path, settings: InputSettings) -> Iterator[Tuple[int, int, int, int]]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(f"{path} is no Parquet file: {error}") from error
    names = file.schema_arrow.names
    _check_columns(path, settings, names)
    n_rows = file.metadata.num_rows
    for first in range(0, n_rows, settings.rows):
        yield first, 0, first, min(settings.rows, n_rows - first)


def _of_lines(path: Path, settings: InputSettings) -> Iterator[Tuple[int, int, int, int]]:
    with path.open("rb") as file:
        sizes = ((len(line), bool(_content(line))) for line in file)
        yield from _by_rows(sizes, 0, settings.rows)
    if KINDS[path.suffix.lower()] == JSON_LINES:
        _check_first_line(path, settings)


def _content(line: bytes) -> bytes:
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


def _of_csv(path: Path, settings: InputSettings) -> Iterator[Tuple[int, int, int, int]]:
    """A quoted field may have line ends: only reading tells where a row ends."""
    csv.field_size_limit(MOST_OF_FIELD)
    size = 0  # bytes since the last row

    def lines() -> Iterator[str]:
        nonlocal size
        with path.open("rb") as file:
            for number, line in enumerate(file):
                size += len(line)
                encoding = "utf8" if number else "utf-8-sig"
                yield line.decode(encoding, errors="replace")

    # Strict, or a quote that nobody closes would swallow the rest of the file
    reader = csv.reader(lines(), delimiter=_delimiter(path), strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise InputFileError(f"{path} is no CSV: {error}.") from error
    _check_columns(path, settings, names)
    start, size = size, 0

    def of_rows() -> Iterator[Tuple[int, bool]]:
        nonlocal size
        for values in reader:
            of_row, size = size, 0
            yield of_row, bool(values)

    try:
        yield from _by_rows(of_rows(), start, settings.rows)
    except csv.Error as error:
        raise InputFileError(
            f"{path} is no CSV, from line {reader.line_num} on or before: {error}. Is there a "
            f"quote that is never closed?"
        ) from error


def _check_columns(path: Path, settings: InputSettings, names: Sequence[str]) -> None:
    if names.count(settings.text_column) != 1:
        if settings.text_column in names:
            raise InputFileError(f"{path} has {settings.text_column!r} twice: name them apart.")
        raise InputFileError(_no_column(path, settings, names))
    if settings.id_column != DEFAULT_ID and settings.id_column not in names:
        raise InputFileError(f"{path} has no {settings.id_column!r}, but {', '.join(names)}.")


def _by_rows(
    sizes: Iterator[Tuple[int, bool]], start: int, rows: int
) -> Iterator[Tuple[int, int, int, int]]:
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


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def read_part(part: Part, settings: InputSettings) -> pa.Table:
    """The rows of a part: "id", "text", and "error" for what is no text."""
    read = {PARQUET: _rows_of_parquet, JSON_LINES: _rows_of_json, CSV: _rows_of_csv}
    rows = list(read.get(part.kind, _rows_of_text)(part, settings))
    columns: Dict[str, List[Optional[str]]] = {"id": [], "text": [], "error": []}
    for number, (id_, text, error) in enumerate(rows, start=part.first_row + 1):
        place = f"{part.paths[0]}:{number}"
        id_ = place if id_ is None else str(id_)
        columns["id"].append(id_.encode("utf8", errors="replace").decode("utf8"))
        if error is None and text is not None:
            error = _why_not(text)
        if error is not None:
            text = None
        columns["text"].append(text)
        columns["error"].append(error)
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _why_not(text: Any) -> Optional[str]:
    if not isinstance(text, str):
        return f"The text is no string, but {type(text).__name__}."
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return "The text has half a character (U+D800 to U+DFFF)."
    return None


Row = Tuple[Any, Any, Optional[str]]  # id, text, error


def _rows_of_parquet(part: Part, settings: InputSettings) -> Iterator[Row]:
    file = pq.ParquetFile(part.paths[0])
    wanted = [settings.id_column, settings.text_column]
    columns = [name for name in wanted if name in file.schema_arrow.names]
    groups: List[int] = []
    before = offset = 0
    for group in range(file.metadata.num_row_groups):
        n = file.metadata.row_group(group).num_rows
        if before + n > part.start and before < part.start + part.n_rows:
            offset = part.start - before if not groups else offset
            groups.append(group)
        before += n
    table = file.read_row_groups(groups, columns=columns).slice(offset, part.n_rows)
    ids = [None] * len(table)
    if settings.id_column in columns:
        ids = table.column(settings.id_column).to_pylist()
    for id_, text in zip(ids, table.column(settings.text_column).to_pylist()):
        yield id_, text, None


def _bytes(part: Part) -> bytes:
    with open(part.paths[0], "rb") as file:
        file.seek(part.start)
        return file.read(part.end - part.start)


def _lines(part: Part) -> Iterator[Tuple[str, Optional[str]]]:
    """The lines of a part, and why one can't be read."""
    content = _bytes(part)
    for line in io.BytesIO(content):
        if not _content(line):
            continue
        try:
            yield line.decode("utf-8-sig" if not part.start else "utf8").rstrip("\r\n"), None
        except UnicodeDecodeError as error:
            yield "", f"No text in UTF-8: {error}"


def _rows_of_json(part: Part, settings: InputSettings) -> Iterator[Row]:
    for line, error in _lines(part):
        if error is not None:
            yield None, None, error
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as problem:
            yield None, None, f"No JSON: {problem}"
            continue
        if not isinstance(value, dict):
            yield None, None, f"No object of JSON: {line:.80}"
            continue
        yield value.get(settings.id_column), value.get(settings.text_column), None


def _rows_of_csv(part: Part, settings: InputSettings) -> Iterator[Row]:
    csv.field_size_limit(MOST_OF_FIELD)
    path = Path(part.paths[0])
    with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file, delimiter=_delimiter(path)))
    text = io.StringIO(_bytes(part).decode("utf8", errors="replace"), newline="")
    for values in filter(None, csv.reader(text, delimiter=_delimiter(path), strict=True)):
        row = dict(zip(header, values))
        found = row.get(settings.text_column)
        error = "No text in UTF-8." if found and "\ufffd" in found else None
        yield row.get(settings.id_column), None if error else found, error


def _rows_of_text(part: Part, settings: InputSettings) -> Iterator[Row]:
    if part.end:  # a text on each line
        for line, error in _lines(part):
            yield None, None if error else line, error
        return
    for name in part.paths:
        try:
            yield name, Path(name).read_bytes().decode("utf-8-sig"), None
        except UnicodeDecodeError as error:
            yield name, None, f"No text in UTF-8: {error}"
        except OSError as error:
            yield name, None, f"{error.strerror}."
