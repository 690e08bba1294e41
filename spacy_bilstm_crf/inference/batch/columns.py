"""The columns that the input has beside texts and ids, which the output keeps."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import srsly

from ...common.errors import UserError, one_line
from ...data import parquet, texts
from ...data.formats.docs import META
from ...data.formats.jsonl import without_nan
from ...data.texts import TextSettings, text_kind
from .table import STRING


class Long(int):
    """The type of a whole number that is none among numbers with fractions."""


# What a column holds whose values are all of these types. Of other types, it holds JSON
TYPES = {
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({Long}): pa.int64(),
    frozenset({int, Long}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
}
MOST_BITS = 63  # of a whole number in a column
BITS_OF_FLOAT = 53
RENAMED = "input_{}"


class Column(NamedTuple):
    """A column of the input that is kept.

    Attributes:
        source: Its name in the input.
        name: Its name in the output.
        type: The type of its values.
    """

    source: str
    name: str
    type: pa.DataType


def columns_of(
    files: Sequence[Path], settings: TextSettings, taken: Collection[str]
) -> list[Column]:
    """List the columns of all files beside texts and ids.

    Columns of Parquet keep their types, those of CSV are strings. JSON lines are read once to see
    which types their values have; lists, objects and values of several types become JSON.

    Args:
        files: The files.
        settings: Where texts and ids are in them.
        taken: Names of the output's own columns. A column of such a name gets another.

    Raises:
        UserError: If a file has a name twice, or two files have different types under one name.
    """
    schema, plain = pa.schema([]), defaultdict[str, set[type]](set)
    for file in files:
        kind = text_kind(file, settings)
        if kind == texts.PARQUET:
            schema = _unified(schema, _parquet_schema(file, settings), file)
        else:
            for name, types in _plain_types(file, kind, settings).items():
                plain[name] |= types
    found = {name: TYPES.get(frozenset(types), STRING) for name, types in plain.items()}
    schema = _unified(schema, pa.schema(found), files[-1])
    return [
        Column(field.name, _free_name(field.name, taken, schema), field.type) for field in schema
    ]


def _free_name(name: str, taken: Collection[str], schema: pa.Schema) -> str:
    """Return a column's name, or another one if the output has it already."""
    if name not in taken:
        return name
    while name in taken or name in schema.names:
        name = RENAMED.format(name)
    return name


def _parquet_schema(file: Path, settings: TextSettings) -> pa.Schema:
    fields: list[pa.Field] = []
    schema = parquet.open_parquet(file).schema_arrow
    for field in schema:
        if field.name in (settings.text_key, settings.id_key):
            continue
        _check_once(field.name, schema.names, file)
        is_dictionary = pa.types.is_dictionary(field.type)  # other values in each part
        type_ = field.type.value_type if is_dictionary else field.type
        fields.append(pa.field(field.name, type_))
    return pa.schema(fields)


def _check_once(name: str, names: Sequence[str], file: Path) -> None:
    if names.count(name) > 1:
        raise UserError(
            f"{file} has two columns named {name!r}: rename one, or leave out all columns with "
            f"--no-columns."
        )


def _unified(schema: pa.Schema, other: pa.Schema, file: Path) -> pa.Schema:
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(
            f"{file} has a column of another type than other files: {error}. Convert it, annotate "
            f"the files one by one, or leave out all columns with --no-columns."
        ) from error


def _plain_types(file: Path, kind: str, settings: TextSettings) -> dict[str, set[type]]:
    """Return the types of the values of each column of a file that is not Parquet."""
    if kind == texts.CSV:
        names, _ = next(texts.csv_rows(file), ([], 0))
        own = (settings.text_key, settings.id_key)
        for name in names:
            _check_once(name, names, file)
        return {texts.printable(name): {str} for name in names if name not in own}
    if kind == texts.DOCS:
        kept = filter(None, texts.open_docs(file).user_data)
        is_there = any(META in dict(srsly.msgpack_loads(one, use_list=False)) for one in kept)
        return {META: {dict}} if is_there else {}
    if kind != texts.JSON_LINES:
        return {}
    found: dict[str, set[type]] = {}
    for row in texts.read_rows(file, settings):
        for name, value in row.columns.items():
            types = found.setdefault(name, set())
            if value is not None:
                types.add(_type(value))
    return found


def _type(value: Any) -> type:
    n_bits = value.bit_length() if isinstance(value, int) else 0
    return dict if n_bits > MOST_BITS else Long if n_bits > BITS_OF_FLOAT else type(value)


def column_values(column: Column, rows: Iterable[dict[str, Any]]) -> pa.Array:
    """Return a column of rows that were not read from Parquet."""
    values: Iterable[Any] = (row.get(column.source) for row in rows)
    if column.type == STRING:
        values = (None if value is None else _string(value) for value in values)
    return pa.array(list(values), column.type)


def _string(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(without_nan(value), ensure_ascii=False)
    return texts.printable(text)


def parquet_values(columns: Sequence[Column], path: Path, start: int, end: int) -> list[Any]:
    """Return columns of some rows of a Parquet file; those that it lacks are null."""
    wanted = {column.source for column in columns}
    names = [name for name in parquet.open_parquet(path).schema_arrow.names if name in wanted]
    table = parquet.read_parquet_columns(path, names, start, end)
    return [
        _cast(table.column(column.source), column, path)
        if column.source in names
        else pa.nulls(end - start, column.type)
        for column in columns
    ]


def _cast(values: pa.ChunkedArray, column: Column, path: Path) -> pa.ChunkedArray:
    try:
        return values.cast(column.type)
    except pa.ArrowException as error:  # such as large whole numbers where others are fractions
        raise UserError(
            f"{path}: the column {column.source!r} can't become {column.type}, as in other files: "
            f"{one_line(error)}. Annotate the files one by one, or leave out all columns with "
            f"--no-columns."
        ) from error
