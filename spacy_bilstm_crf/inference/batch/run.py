"""Annotate all parts of the input, and go on where an earlier run stopped.

Each part becomes a file, which appears when it is complete. So a run that was killed at any
moment leaves whole parts, and the next one does the others. A manifest says what they were made of,
and a run with anything else is refused.
"""

import json
import platform
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from spacy.util import get_package_version

from ...common.errors import UserError, one_line
from ...common.files import stamp, write_whole
from ...common.pipelines import file_digest, fingerprint, pipeline_folder
from ...data.texts import TextSettings
from .columns import Column
from .files import PART_FORMATS, Done, PartFile
from .parts import Part, read_part
from .table import AnnotatorSettings, TableAnnotator

# Readers of Parquet folders leave out what begins with an underscore
MANIFEST = "_manifest.json"


class Work(NamedTuple):
    """All that a worker has to know.

    Attributes:
        output: The folder.
        texts: Where texts are in the files.
        rows: The most rows that a part has.
        annotator: What they are annotated with.
        columns: The input's other columns, which are kept with the texts if `texts.columns` is set.
        format: What is written, one of `PART_FORMATS`.
    """

    output: str
    texts: TextSettings
    rows: int
    annotator: AnnotatorSettings
    columns: tuple[Column, ...] = ()
    format: str = "parquet"

    def file_of(self, number: int) -> PartFile:
        """Return the file that a part is written to."""
        found = PART_FORMATS[self.format]
        return PartFile(Path(self.output) / f"part-{number:06}{found.suffix}", number, found)

    def do(self, part: Part) -> int:
        """Annotate a part, write it and return its number.

        Raises:
            UserError: If that is not possible on the worker's machine.
        """
        try:
            rows, others = read_part(part, self.texts, self.columns)
            found = TableAnnotator(self.annotator)(rows)
            if self.texts.columns:
                kept = (found.select(["id"]), rows.select(["text"]), others)
                found = _side_by_side(*kept, found.drop_columns(["id"]))
            self.file_of(part.number).write(found)
        except (OSError, ValueError) as error:
            where = platform.node()
            raise UserError(f"Part {part.number} failed on {where}: {one_line(error)}") from error
        except pa.lib.ArrowCapacityError as error:  # 2 GB of texts, or of entities
            raise UserError(
                f"Part {part.number} has more characters than a column can hold: set fewer --rows."
            ) from error
        return part.number


def _side_by_side(*tables: pa.Table) -> pa.Table:
    fields = [field for table in tables for field in table.schema]
    columns = [column for table in tables for column in table.columns]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


Engine = Callable[[Work, Sequence[Part], int], Generator[int, None, None]]


def is_of_run(path: Path, output: Path | None = None) -> bool:
    """Tell whether a file was written by a run: one into this folder, or into any."""
    is_one = re.fullmatch(rf"\.?({MANIFEST}|part-\d+\.(parquet|jsonl)).*", path.name) is not None
    if not is_one:
        return False
    folder = path.resolve().parent
    return output in (folder, None) and (folder / MANIFEST).exists()


def manifest(work: Work, files: Sequence[Path], parts: Sequence[Part]) -> dict[str, Any]:
    """Describe what the output is made of."""
    return {
        "version": get_package_version("spacy-bilstm-crf"),
        "pipeline": fingerprint(pipeline_folder(work.annotator.pipeline)),
        "inputs": [
            {"path": str(path.resolve()), **dict(zip(("size", "modified"), stamp(path)))}
            for path in files
        ],
        "settings": {
            **work.texts._asdict(),
            "rows": work.rows,
            "format": work.format,
            "code": None if work.annotator.code is None else file_digest(Path(work.annotator.code)),
            "candidates": work.annotator.candidates,
            "max_length": work.annotator.max_length,
            "samples": work.annotator.samples and [work.annotator.samples, work.annotator.seed],
        },
        "parts": len(parts),
        "rows": sum(part.n_rows for part in parts),
    }


def pending(
    work: Work, files: Sequence[Path], parts: Sequence[Part], anew: bool = False
) -> list[Part]:
    """List the parts that are not written yet, in a folder that may hold an earlier run.

    Args:
        work: What is to be done.
        files: The input.
        parts: Its parts.
        anew: Remove what an earlier run has written, and nothing else.

    Raises:
        UserError: If the folder holds anything else, or a run with another pipeline, other files or
            other settings.
    """
    folder = Path(work.output)
    for file in files:
        if folder in file.resolve().parents:
            raise UserError(f"{folder} contains the input {file}: name another folder.")
    now = manifest(work, files, parts)
    path = folder / MANIFEST
    endings = [found.suffix for found in PART_FORMATS.values()]
    parts_before = [file for ending in endings for file in folder.glob(f"part-*{ending}")]
    if path.exists() and anew:
        for written in [*parts_before, path]:
            written.unlink()
    elif path.exists():
        _check_same(folder, now)
        own = {work.file_of(part.number).path for part in parts}
        for file in parts_before:
            if file not in own:
                raise UserError(
                    f"{file} is of another run. Remove it, name another folder, or start over with "
                    f"--force."
                )
    elif folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty, and contains no annotation to resume. Name another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for stale in [*folder.glob(".part-*"), *folder.glob(f".{MANIFEST}.*")]:  # of killed processes
        stale.unlink()
    write_whole(path, json.dumps(now, indent=1) + "\n")
    return [part for part in parts if not work.file_of(part.number).is_whole()]


def _check_same(folder: Path, now: dict[str, Any]) -> None:
    names = {
        "pipeline": "with another pipeline",
        "inputs": "of other files, or of files that have changed",
        "settings": "with other settings",
        "version": "by another version of this package",
    }
    try:
        before = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
        differing = [how for key, how in names.items() if before[key] != now[key]]
    except (ValueError, TypeError, KeyError):
        differing = [f"with a {MANIFEST} that is damaged"]
    if differing:
        raise UserError(
            f"{folder} holds texts that were annotated {differing[0]}. Name another folder, or "
            f"start over with --force."
        )


def run(
    work: Work, parts: Sequence[Part], engine: Engine, jobs: int
) -> Generator[Done, None, None]:
    """Annotate parts by an engine, and yield each when it is written."""
    with closing(engine(work, parts, jobs)) as numbers:
        for number in numbers:
            yield work.file_of(number).done()
