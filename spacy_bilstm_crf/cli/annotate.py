"""`annotate`: the entities of many documents, as Parquet."""

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError, check_installed
from ..common.files import check_folder
from ..common.pipelines import check_code
from .app import bilstm_crf_cli, check_choice, check_number, check_probability, fails_in_one_line

if TYPE_CHECKING:
    from ..inference.batch import AnnotatorSettings, Part, Work
    from ..inference.batch.run import Engine

# Of each engine what it needs, and the extra that brings it
NEEDS = {
    "local": [("pyarrow", "bulk")],
    "ray": [("pyarrow", "bulk"), ("ray", "ray")],
    "spark": [("pyarrow", "bulk"), ("pyspark", "spark")],
}


@bilstm_crf_cli.command("annotate")
def annotate_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    inputs: str = Argument(
        ...,
        metavar="IN",
        help="Texts: a .parquet, .jsonl, .csv, .tsv or .txt file, a folder of them, or a glob",
    ),
    output: Path = Argument(..., help="Folder for Parquet files"),
    engine: str = Option("local", "--engine", "-e", help="local, ray or spark"),
    jobs: int = Option(1, "--jobs", "-j", help="Workers. Each loads the pipeline"),
    id_column: str = Option(
        "id", "--id-column", help="Column or key of the ids. Without one, file and row are the id"
    ),
    text_column: str = Option("text", "--text-column", help="Column or key of the texts"),
    lines: bool = Option(
        False, "--lines", help="Each line of a .txt file is a text, instead of the file"
    ),
    batch_size: int = Option(128, "--batch-size", "-n", help="Texts in the pipeline at once"),
    candidates: float | None = Option(
        None, "--candidates", help="Keep entities that are so probable at least, overlapping or not"
    ),
    max_length: int | None = Option(
        None, "--max-length", help="Characters of the longest text; otherwise the pipeline's own"
    ),
    rows: int = Option(2000, "--rows", help="Rows of a file that is written, at most"),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the pipeline needs"
    ),
    force_overwrite: bool = Option(False, "--force", "-F", help="Begin anew"),
) -> None:
    """Find the entities of many documents, with any spaCy pipeline, and write them as Parquet.

    A run that was stopped or killed goes on with the same command. A text that can't be annotated
    keeps its row, with the reason in the column "error".
    """
    with fails_in_one_line():
        _check_engine(engine)
        check_folder(output, "OUTPUT")
        for option, value in (
            ("--jobs", jobs),
            ("--batch-size", batch_size),
            ("--rows", rows),
            ("--max-length", max_length),
        ):
            check_number(option, value)
        check_code(code_path)
        check_probability("--candidates", candidates)
        from ..inference.batch import AnnotatorSettings, InputSettings, Work

        work = Work(
            str(output.resolve()),
            InputSettings(id_column, text_column, lines, rows),
            AnnotatorSettings(
                _absolute(pipeline),
                candidates,
                batch_size,
                max_length,
                None if code_path is None else str(code_path.resolve()),
            ),
        )
        annotate(work, inputs, engine, jobs, force_overwrite)


def _absolute(pipeline: str) -> str:
    """Workers may be in other folders."""
    return str(Path(pipeline).resolve()) if Path(pipeline).is_dir() else pipeline


def _check_engine(engine: str) -> None:
    check_choice("--engine", engine, NEEDS)
    for name, extra in NEEDS[engine]:
        check_installed(extra, name)
    if engine == "spark" and shutil.which("java") is None:
        raise UserError("Spark needs Java, which is not on the PATH: install Java 17 or later.")


def annotate(work: "Work", inputs: str, engine: str, jobs: int, force_overwrite: bool) -> None:
    """Annotate what is not annotated yet, and show how far it is.

    Raises:
        UserError: If it can't be started or finished, saying what to do.
    """
    from ..inference.batch import ENGINES, files_of, is_of_run, parts_of, pending

    try:
        output = Path(work.output)
        files = files_of(inputs, lambda path: is_of_run(path, output))
        parts = list(parts_of(files, work.inputs))
        if not parts:
            raise UserError(f"{inputs} holds no texts.")
        _check_loads(work.annotator)
        left = pending(work, files, parts, anew=force_overwrite)
        _progress(work, parts, left, ENGINES[engine], jobs)
    except (UserError, OSError) as error:
        raise UserError(str(error)) from error
    except KeyboardInterrupt as error:
        raise UserError("Stopped. Run the same command again to go on.") from error


def _check_loads(settings: "AnnotatorSettings") -> None:
    """Load the pipeline here first: a worker would say what is wrong with it in a traceback."""
    from ..inference.batch import folder_of, loaded

    try:
        folder_of(settings.pipeline)
        loaded(settings)
    except ValueError as error:
        raise UserError(str(error)) from error


def _progress(
    work: "Work", parts: list["Part"], left: list["Part"], engine: "Engine", jobs: int
) -> None:
    from tqdm import tqdm

    from ..inference.batch import done, errors_of, run

    total = sum(part.n_rows for part in parts)
    before = total - sum(part.n_rows for part in left)
    if before:
        msg.info(f"{before:,} of {total:,} rows are there from an earlier run")
    n_words = 0
    bar = tqdm(total=total, initial=before, unit=" rows", smoothing=0.1)
    # Closed, so that workers end when this does
    with bar, closing(run(work, left, engine, jobs)) as written:
        for each in written if left else ():
            n_words += each.n_tokens
            bar.update(each.n_rows)
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{n_words / max(seconds, 1e-9):,.0f} words/s")
    every = [done(work.output, part.number) for part in parts]
    n_errors = sum(each.n_errors for each in every)
    if n_errors == total:
        why = next(errors_of(work.output, parts[0].number))
        raise UserError(f"None of {total:,} rows could be annotated, the first for this: {why}")
    if n_errors:
        msg.warn(f"{n_errors:,} rows could not be annotated: see their column 'error'")
    msg.good(f"{total:,} rows in {len(parts):,} files: {work.output}")
