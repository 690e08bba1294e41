"""Rows of data sets: of Parquet, of JSON, and of the Arrow files of `datasets.save_to_disk`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import srsly

from ...common.errors import UserError, check_installed, one_line, reported_damage
from ..parquet import ROWS_AT_A_TIME, open_parquet
from .class_labels import INFO
from .jsonl import read_records
from .records import Problem
from .sample import FileSample
from .settings import FormatSettings

SAVED, SPLITS = "state.json", "dataset_dict.json"  # in the folders of `save_to_disk`
PARQUET_MAGIC, ARROW_MAGIC = (b"PAR1",), (b"ARROW1", b"\xff\xff\xff\xff")  # what files begin with

TableRow = dict[str, Any]
TableRows = Iterator[tuple[str, TableRow] | Problem]  # with the place of each


class DataTable(NamedTuple):
    """The rows of a file.

    Attributes:
        path: The file, or the folder of `save_to_disk`.
        rows: Reads the rows anew; given columns alone, or all for None.
        metadata: Of its schema.
    """

    path: Path
    rows: Callable[[Sequence[str] | None], TableRows]
    metadata: Mapping[bytes, bytes] | None = None


def table_of(path: Path, settings: FormatSettings) -> DataTable:
    """Return the rows of a file, or of a folder of `datasets.save_to_disk`.

    Args:
        path: The file or folder.
        settings: The encoding of JSON.

    Raises:
        UserError: If a file of the folder is missing, or a package that is needed.
    """
    if path.is_dir():
        return _of_folder(path)
    start = FileSample.of(path, settings).start
    if start.startswith(PARQUET_MAGIC):
        schema = open_parquet(path).schema_arrow
        return DataTable(path, partial(_rows_of_batches, path, _parquet_batches), schema.metadata)
    if start.startswith(ARROW_MAGIC):
        return _of_arrow(path, [path])
    return DataTable(path, lambda _: read_records(path, settings.encoding, _with_place))


def _with_place(place: str, row: TableRow) -> tuple[str, TableRow]:
    return place, row


def _of_folder(folder: Path) -> DataTable:
    with reported_damage(f"{folder / SAVED} is not that of a data set of datasets.save_to_disk"):
        state = srsly.read_json(folder / SAVED)
        files = [folder / file["filename"] for file in state["_data_files"]]
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None or not files:
        raise UserError(f"{folder} has no {missing or 'file'}, which {SAVED} names.")
    return _of_arrow(folder, files)


def _of_arrow(path: Path, files: Sequence[Path]) -> DataTable:
    check_installed("bulk", "pyarrow")
    what = f"{files[0]} is damaged or not an Arrow file"
    with _reported_damage(what), _arrow(files[0]) as reader:
        metadata = reader.schema.metadata

    def rows(names: Sequence[str] | None) -> TableRows:
        for file in files:
            yield from _rows_of_batches(file, _arrow_batches, names)

    return DataTable(path, rows, metadata)


@contextmanager
def _reported_damage(what: str) -> Iterator[None]:
    """Turn errors into a `UserError`, also those of lengths that nobody has the memory for."""
    try:
        with reported_damage(what):
            yield
    except MemoryError as error:
        raise UserError(f"{what}, or larger than the memory: {one_line(error)}") from error


@contextmanager
def _arrow(file: Path) -> Iterator[Any]:
    """A reader of either kind of Arrow file: `datasets` writes streams."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source:
        is_stream = source.read(len(ARROW_MAGIC[0])) != ARROW_MAGIC[0]
        source.seek(0)
        with pa.ipc.open_stream(source) if is_stream else pa.ipc.open_file(source) as reader:
            yield reader


def _parquet_batches(path: Path, names: Sequence[str] | None) -> Iterator[Any]:
    yield from open_parquet(path).iter_batches(ROWS_AT_A_TIME, columns=names)


def _arrow_batches(path: Path, names: Sequence[str] | None) -> Iterator[Any]:
    with _arrow(path) as reader:
        n_batches = getattr(reader, "num_record_batches", None)
        batches = iter(reader) if n_batches is None else map(reader.get_batch, range(n_batches))
        for batch in batches:
            for start in range(0, len(batch), ROWS_AT_A_TIME):
                part = batch.slice(start, ROWS_AT_A_TIME)
                yield part if names is None else part.select(names)


def _rows_of_batches(
    path: Path,
    read: Callable[[Path, Sequence[str] | None], Iterator[Any]],
    names: Sequence[str] | None,
) -> TableRows:
    number = 0
    with _reported_damage(f"{path} is damaged"):
        for batch in read(path, names):
            batch.validate(full=True)  # or else wrong offsets would be followed out of memory
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row


def is_saved(folder: Path) -> bool:
    """Tell whether a folder is a data set that `datasets.save_to_disk` has written."""
    return all((folder / name).is_file() for name in (SAVED, INFO))
