"""Reading the rows of a part: ids and texts, and why a row has none."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...common.errors import UserError
from .inputs import (
    CSV,
    JSON_LINES,
    MOST_OF_FIELD,
    NO_UTF8,
    PARQUET,
    TEXT,
    InputSettings,
    Part,
    content_of,
    delimiter_of,
    printable,
    stamp,
)


def read_part(part: Part, settings: InputSettings) -> pa.Table:
    """The rows of a part: "id", "text", and "error" for what is no text.

    Raises:
        UserError: If a file is no longer what it was when it was cut.
    """
    try:
        return _table_of(part, settings)
    finally:  # a file that has changed in between may be read without an error, or fail in any way
        _check_unchanged(part)


def _check_unchanged(part: Part) -> None:
    for name, before in zip(part.paths, part.stamps):
        if part.kind == TEXT and not Path(name).exists():
            continue  # its row says so
        if not Path(name).exists() or stamp(Path(name)) != tuple(before):
            raise UserError(
                f"{name} has changed since the run began. Begin anew with --force, or name another "
                f"folder."
            )


def _table_of(part: Part, settings: InputSettings) -> pa.Table:
    read = {PARQUET: _rows_of_parquet, JSON_LINES: _rows_of_json, CSV: _rows_of_csv}
    rows = list(read.get(part.kind, _rows_of_text)(part, settings))
    columns: dict[str, list[str | None]] = {"id": [], "text": [], "error": []}
    for number, (id_, text, error) in enumerate(rows, start=part.first_row + 1):
        place = f"{part.paths[0]}:{number}"
        columns["id"].append(printable(place if id_ is None else _id(id_)))
        if error is None and text is not None:
            error = _why_not(text)
        if error is not None:
            text = None
        columns["text"].append(text)
        columns["error"].append(error)
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _id(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf8", NO_UTF8)
    return json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)


def _why_not(text: Any) -> str | None:
    if not isinstance(text, str):
        return f"The text is no string, but {type(text).__name__}."
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return "The text is no UTF-8, or has half a character (U+D800 to U+DFFF)."
    return None


Row = tuple[Any, Any, str | None]  # id, text, error


def _rows_of_parquet(part: Part, settings: InputSettings) -> Iterator[Row]:
    file = pq.ParquetFile(part.paths[0])
    wanted = [settings.id_column, settings.text_column]
    columns = [name for name in wanted if name in file.schema_arrow.names]
    groups: list[int] = []
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
        ids = _values(table.column(settings.id_column))
    for id_, text in zip(ids, _values(table.column(settings.text_column))):
        yield id_, text.decode("utf8", NO_UTF8) if isinstance(text, bytes) else text, None


def _values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column, those of strings that are no UTF-8 as bytes."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column.cast(pa.large_binary()).to_pylist()
    except (OverflowError, ValueError):  # times that Python can't express
        return column.cast(pa.string()).to_pylist()


def _bytes(part: Part) -> bytes:
    with open(part.paths[0], "rb") as file:
        file.seek(part.start)
        return file.read(part.end - part.start)


def _lines(part: Part) -> Iterator[tuple[str, str | None]]:
    """The lines of a part, and why one can't be read."""
    content = _bytes(part)
    for line in io.BytesIO(content):
        if not content_of(line):
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
    with path.open("r", encoding="utf-8-sig", errors=NO_UTF8, newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter_of(path)))
    text = io.StringIO(_bytes(part).decode("utf8", NO_UTF8), newline="")
    for values in filter(None, csv.reader(text, delimiter=delimiter_of(path), strict=True)):
        row = dict(zip(header, values))
        error = None
        if len(values) > len(header):  # a comma outside of quotes has cut a text
            error = f"The row has {len(values)} fields, and the head of the file {len(header)}."
        yield row.get(settings.id_column), None if error else row.get(settings.text_column), error


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
