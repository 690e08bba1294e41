"""Rows of Parquet files, decoded once and in order."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError, check_installed, one_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Rows of Parquet that are decoded at a time, and bytes of a column that are read at a time
ROWS_AT_A_TIME = 256
BUFFER = 1 << 20
# Columns of a Parquet file that are read side by side: texts with ids, and the others
STREAMS = 2


def open_parquet(path: Path) -> "pq.ParquetFile":
    """Open a Parquet file, to be read through a small buffer.

    Raises:
        UserError: If it is none, or pyarrow is not installed.
    """
    check_installed("bulk", "pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, buffer_size=BUFFER)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a Parquet file: {one_line(error)}") from error


def read_parquet_columns(path: Path, names: Sequence[str], start: int, end: int) -> "pa.Table":
    """Read columns of some rows of a Parquet file.

    Args:
        path: The file.
        names: The columns.
        start: The first row.
        end: The row after the last.
    """
    import pyarrow as pa

    schema = pa.schema([open_parquet(path).schema_arrow.field(name) for name in names])
    return pa.Table.from_batches(parquet_batches(path, names, start, end), schema)


def parquet_batches(
    path: Path, columns: Sequence[str], start: int, end: int | None
) -> Iterator["pa.RecordBatch"]:
    """Read rows of a Parquet file, from where the last call for the same columns stopped.

    Rows in a group can only be reached through those before them, so that a group would otherwise
    be decoded from its beginning for each stretch of it.
    """
    file = open_parquet(path)
    first = max((row for row in _group_starts(file) if row <= start), default=0)
    key = (path, path.stat().st_mtime_ns, tuple(columns))
    stream = _streams.pop(key, None)
    if stream is None or not first <= stream.position <= start:
        stream = _ParquetStream(file, columns, first)
    if end is not None and end < file.metadata.num_rows:  # something is left for another call
        while len(_streams) >= STREAMS:
            _streams.pop(next(iter(_streams)))
        _streams[key] = stream
    yield from stream.read(start, end)


class _ParquetStream:
    """The rows of a Parquet file, decoded once and in order.

    Attributes:
        position: The next row.
    """

    def __init__(self, file: "pq.ParquetFile", columns: Sequence[str], first: int) -> None:
        groups = [group for group, row in enumerate(_group_starts(file)) if row >= first]
        self.position = first
        self._batches = file.iter_batches(ROWS_AT_A_TIME, row_groups=groups, columns=columns)
        self._left: pa.RecordBatch | None = None

    def read(self, start: int, end: int | None) -> Iterator["pa.RecordBatch"]:
        """Yield the rows of a stretch that does not begin before the next row."""
        while end is None or self.position < end:
            batch = next(self._batches, None) if self._left is None else self._left
            if batch is None:
                return
            n_read = len(batch) if end is None else min(len(batch), end - self.position)
            n_before = min(max(start - self.position, 0), n_read)
            self._left = batch.slice(n_read) if n_read < len(batch) else None
            self.position += n_read
            if n_before < n_read:
                yield batch.slice(n_before, n_read - n_before)


_streams: dict[tuple[Path, int, tuple[str, ...]], _ParquetStream] = {}


def _group_starts(file: "pq.ParquetFile") -> list[int]:
    """Return the first row of each row group."""
    sizes = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
    return list(accumulate(sizes, initial=0))[:-1]


def values_of(column: "pa.Array") -> list[Any]:
    """Return the values of a column, those of strings that are not UTF-8 as bytes."""
    import pyarrow as pa

    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column.cast(pa.large_binary()).to_pylist()
    except (OverflowError, ValueError):  # times that Python can't express
        try:
            return column.cast(pa.string()).to_pylist()
        except pa.ArrowException as error:  # inside of a list or an object
            raise UserError(
                "A column has times that are out of range. Write Parquet, or leave out all columns "
                "with --no-columns."
            ) from error
