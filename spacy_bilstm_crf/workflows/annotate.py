"""Find the entities of many documents, and write them beside the texts."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from spacy.language import Language

from ..common.errors import (
    UserError,
    check_at_least,
    check_choice,
    check_installed,
    check_probability,
)
from ..common.files import check_folder, locked, reported_os_errors
from ..common.pipelines import check_code, pipeline_folder
from ..data.texts import TextSettings, text_files

if TYPE_CHECKING:
    from ..inference.batch.columns import Column
    from ..inference.batch.run import Work

EngineName = Literal["local", "ray", "spark"]
TargetName = Literal["parquet", "jsonl"]
# The package that each engine needs, with the extra that installs it. All need pyarrow
NEEDS = {"local": ("bulk", "pyarrow"), "ray": ("ray", "ray"), "spark": ("spark", "pyspark")}


class AnnotateProgress(NamedTuple):
    """The progress of a run of `annotate`.

    Attributes:
        n_rows: Rows written so far, including those of earlier runs.
        n_total: Rows of the whole input.
        n_tokens: Tokens that this run has annotated.
    """

    n_rows: int
    n_total: int
    n_tokens: int


class AnnotateSummary(NamedTuple):
    """What `annotate` has written.

    Attributes:
        output: The folder.
        n_rows: Rows in it.
        n_files: Files with rows.
        n_errors: Rows that could not be annotated. Their column "error" says why.
        first_error: The reason of the first of them; None if there is none.
        n_entities: Entities in the rows.
        n_candidates: Candidates in the rows.
    """

    output: Path
    n_rows: int
    n_files: int
    n_errors: int
    first_error: str | None
    n_entities: int
    n_candidates: int


def annotate(
    pipeline: Language | str | Path,
    inputs: str | Path,
    output: str | Path,
    *,
    engine: EngineName = "local",
    jobs: int = 1,
    id_key: str = "id",
    text_key: str = "text",
    lines: bool = False,
    batch_size: int = 128,
    candidates: float | None = None,
    samples: int | None = None,
    seed: int = 0,
    max_length: int | None = None,
    rows: int = 2000,
    columns: bool = True,
    target: TargetName = "parquet",
    code: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[AnnotateProgress], None] = lambda progress: None,
    on_message: Callable[[str], None] = lambda line: None,
) -> AnnotateSummary:
    """Find the entities of many documents, with any spaCy pipeline, and write them to a folder.

    Entities of `doc.ents` and those that a `bilstm_crf_spans` or `spancat` stores in `doc.spans`,
    which may overlap, are in one list. The text and the other columns of the input are kept. Call
    it again to resume a run that was stopped or killed. A text that can't be annotated keeps its
    row, with the reason in the column "error".

    Args:
        pipeline: A folder, the name of an installed package, or a loaded pipeline, which is saved
            to a temporary folder for the workers of this machine.
        inputs: Texts: a .txt, .jsonl, .ndjson, .csv, .tsv, .parquet or .spacy file, a folder of
            such files, or a glob.
        output: The folder to write to.
        engine: What runs the workers: processes of this machine, Ray or Spark.
        jobs: The number of workers. Each loads the pipeline.
        id_key: Column or key of the ids. Without one, ids are made of file and row.
        text_key: Column or key of the texts.
        lines: Whether each line of a .txt file is a text, instead of the whole file.
        batch_size: Number of texts that go through the pipeline at once.
        candidates: Also keep all spans of every `bilstm_crf_ner` and `bilstm_crf_spans` component
            with at least this probability, overlapping or not. None keeps none.
        samples: Also draw so many tag sequences of each text, each with its exact probability, and
            keep their entities. None draws none.
        seed: Seed of the samples. Those of a text depend on it, on the text and on its id, and not
            on jobs, batches or other texts.
        max_length: Maximum number of characters per text; None for the pipeline's own limit.
        rows: Maximum number of rows per output file.
        columns: Whether the output has the text and the other columns of the input. One that has
            the name of a column of the output is renamed.
        target: The format of the output: Parquet or JSON lines.
        code: Python file with registered functions that the pipeline needs.
        overwrite: Whether to start over.
        on_progress: Called at the start, and whenever a file is written.
        on_message: Called with a line for each column that is renamed.

    Returns:
        What is in the folder.

    Raises:
        UserError: If the run can't be started or finished, or no row could be annotated.
    """
    _check_engine(engine)
    check_choice("target", target, get_args(TargetName))
    check_at_least(1, jobs=jobs, batch_size=batch_size, max_length=max_length, rows=rows)
    check_at_least(1, samples=samples)
    check_probability(candidates=candidates)
    code = None if code is None else Path(code).resolve()
    check_code(code)
    check_folder(Path(output), "OUTPUT")
    from ..inference.batch import AnnotatorSettings
    from ..inference.batch.run import Work

    with TemporaryDirectory() as temporary:
        folder = _absolute(pipeline, Path(temporary))
        work = Work(
            str(Path(output).resolve()),
            TextSettings(text_key, id_key, lines, columns),
            rows,
            AnnotatorSettings(
                folder,
                candidates,
                batch_size,
                max_length,
                None if code is None else str(code),
                samples,
                seed,
            ),
            format=target,
        )
        with reported_os_errors(output):
            return _annotate(work, str(inputs), engine, jobs, overwrite, on_progress, on_message)


def _check_engine(engine: str) -> None:
    check_choice("engine", engine, NEEDS)
    for extra, package in (NEEDS["local"], NEEDS[engine]):
        check_installed(extra, package)
    if engine == "spark" and shutil.which("java") is None:
        raise UserError("Spark needs Java, which is not on the PATH: install Java 17 or later.")


def _absolute(pipeline: Language | str | Path, temporary: Path) -> str:
    """Return how workers find a pipeline: they may be in other folders."""
    if isinstance(pipeline, Language):
        pipeline.to_disk(temporary)
        return str(temporary)
    return str(Path(pipeline).resolve()) if Path(pipeline).is_dir() else str(pipeline)


def _annotate(
    work: "Work",
    inputs: str,
    engine: str,
    jobs: int,
    overwrite: bool,
    on_progress: Callable[[AnnotateProgress], None],
    on_message: Callable[[str], None],
) -> AnnotateSummary:
    from ..inference.batch import run
    from ..inference.batch.engines import ENGINES
    from ..inference.batch.parts import parts_of
    from ..inference.batch.table import load_annotator

    output = Path(work.output)
    files = text_files(inputs, lambda path: run.is_of_run(path, output))
    for file in files:
        # What another run has found is no text to read beside those that it was found in
        if file.parent != Path(inputs) and Path(inputs).is_dir() and run.is_of_run(file):
            raise UserError(
                f"{file} was written by another run of annotate. Move its folder out of {inputs}, "
                f"or name the files to read by a glob."
            )
    parts = list(parts_of(files, work.texts, work.rows))
    if not parts:
        raise UserError(f"{inputs} holds no texts.")
    if work.texts.columns:
        work = work._replace(columns=_kept_columns(work, files, on_message))
    # Loaded here first: a worker would say what is wrong with it in a traceback
    pipeline_folder(work.annotator.pipeline)
    load_annotator.cache_clear()  # its files may have changed since an earlier call
    load_annotator(work.annotator)
    total = sum(part.n_rows for part in parts)
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        left = run.pending(work, files, parts, anew=overwrite)
        progress = AnnotateProgress(total - sum(part.n_rows for part in left), total, 0)
        on_progress(progress)
        # Closed, so that workers end when this does
        with closing(run.run(work, left, ENGINES[engine], jobs)) as written:
            for part in written if left else ():
                n_rows, n_tokens = progress.n_rows + part.n_rows, progress.n_tokens + part.n_tokens
                progress = AnnotateProgress(n_rows, total, n_tokens)
                on_progress(progress)
        done = [work.file_of(part.number).done() for part in parts]
    failed = [found for found in done if found.n_errors]
    n_errors = sum(found.n_errors for found in failed)
    why = next(work.file_of(failed[0].number).errors()) if failed else None
    if n_errors == total:
        raise UserError(f"None of {total:,} rows could be annotated. The first reason: {why}")
    n_entities = sum(found.n_entities for found in done)
    n_candidates = sum(found.n_candidates for found in done)
    return AnnotateSummary(
        output, total, len(parts), n_errors, why, n_entities=n_entities, n_candidates=n_candidates
    )


def _kept_columns(
    work: "Work", files: Sequence[Path], on_message: Callable[[str], None]
) -> tuple["Column", ...]:
    """Return the input's other columns, and say which of them are renamed."""
    from ..inference.batch.columns import columns_of

    taken = ["text", *work.annotator.schema.names]
    columns = columns_of(files, work.texts, taken)
    for column in columns:
        if column.name != column.source:
            on_message(f"The input's column {column.source!r} is kept as {column.name!r}.")
    return tuple(columns)
