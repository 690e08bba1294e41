"""The files that parts of the output are written to, by format."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...common.files import written_whole
from ...data.formats.jsonl import without_nan
from ...data.parquet import values_of

# In the metadata of a Parquet file, in the order of `Done`
KEPT_COUNTS = (b"n_tokens", b"n_errors", b"n_entities", b"n_candidates")


class Done(NamedTuple):
    """What is in a part that was written: its rows, and what these have."""

    number: int
    n_rows: int
    n_tokens: int
    n_errors: int
    n_entities: int
    n_candidates: int


class PartFormat(NamedTuple):
    """A format of the output.

    Attributes:
        suffix: The ending of its files.
        write: Writes rows to a file.
        is_whole: Tells whether a file is there and can be read.
        counts: Reads from a file the numbers of its rows, tokens, errors, entities and candidates.
        errors: Reads the column of errors.
    """

    suffix: str
    write: Callable[[pa.Table, Path], object]
    is_whole: Callable[[Path], bool]
    counts: Callable[[Path], tuple[int, ...]]
    errors: Callable[[Path], list[str | None]]


def _write_parquet(table: pa.Table, path: Path) -> None:
    counts = {
        "n_tokens": sum(table.column("n_tokens").to_pylist()),
        "n_errors": len(table) - table.column("error").null_count,
        "n_entities": _n_spans(table, "entities"),
        "n_candidates": _n_spans(table, "candidates"),
    }
    pq.write_table(table.replace_schema_metadata({key: str(n) for key, n in counts.items()}), path)


def _n_spans(table: pa.Table, column: str) -> int:
    if column not in table.column_names:  # candidates that were not asked for
        return 0
    return pc.sum(pc.list_value_length(table.column(column))).as_py() or 0


def _is_whole_parquet(path: Path) -> bool:
    try:
        return set(KEPT_COUNTS) <= set(pq.read_metadata(path).metadata)
    except (OSError, pa.ArrowException, TypeError):
        return False


def _counts_of_parquet(path: Path) -> tuple[int, ...]:
    metadata = pq.read_metadata(path)
    kept = (int(metadata.metadata[name]) for name in KEPT_COUNTS)
    return metadata.num_rows, *kept


def _errors_in_parquet(path: Path) -> list[str | None]:
    return pq.read_table(path, columns=["error"]).column("error").to_pylist()


def _write_lines(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf8") as file:
        for batch in table.to_batches(max_chunksize=64):
            for values in zip(*map(values_of, batch.columns)):
                file.write(_json(dict(zip(batch.schema.names, values))) + "\n")


def _json(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # NaN or infinity, which other readers take for damage
        return json.dumps(without_nan(row), ensure_ascii=False, default=str, allow_nan=False)


def _is_whole_lines(path: Path) -> bool:
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf8") as file:
        yield from map(json.loads, file)


def _counts_of_lines(path: Path) -> tuple[int, ...]:
    counts = [
        (
            1,
            row["n_tokens"],
            row["error"] is not None,
            len(row["entities"] or ()),
            len(row.get("candidates") or ()),
        )
        for row in _rows_of(path)
    ]
    return tuple(map(sum, zip(*counts)))


def _errors_in_lines(path: Path) -> list[str | None]:
    return [row["error"] for row in _rows_of(path)]


PART_FORMATS = {
    "parquet": PartFormat(
        ".parquet", _write_parquet, _is_whole_parquet, _counts_of_parquet, _errors_in_parquet
    ),
    "jsonl": PartFormat(
        ".jsonl", _write_lines, _is_whole_lines, _counts_of_lines, _errors_in_lines
    ),
}


class PartFile(NamedTuple):
    """The file of a part.

    Attributes:
        path: Where it is.
        number: The part.
        format: One of `PART_FORMATS`.
    """

    path: Path
    number: int
    format: PartFormat

    def write(self, table: pa.Table) -> None:
        """Write rows to the file, which appears when it is complete."""
        with written_whole(self.path) as partial:
            self.format.write(table, partial)

    def is_whole(self) -> bool:
        """Tell whether the file is there and can be read."""
        return self.format.is_whole(self.path)

    def done(self) -> Done:
        """Read what is in the file."""
        return Done(self.number, *self.format.counts(self.path))

    def errors(self) -> Iterator[str]:
        """Read why rows could not be annotated."""
        return filter(None, self.format.errors(self.path))
