"""`annotate`: the entities of many documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from .app import bilstm_crf_cli
from .options import (
    BatchSizeOption,
    CodeOption,
    ForceOption,
    IdKeyOption,
    JobsOption,
    LinesOption,
    PipelineArgument,
    TextKeyOption,
    TextsArgument,
)

if TYPE_CHECKING:
    from ..workflows.annotate import AnnotateProgress


@bilstm_crf_cli.command("annotate")
def annotate_cli(
    pipeline: PipelineArgument,
    inputs: TextsArgument,
    output: Path = Argument(..., help="Folder for the files of the output"),
    engine: Literal["local", "ray", "spark"] = Option(
        "local", "--engine", "-e", help="What runs the workers"
    ),
    jobs: JobsOption = 1,
    id_key: IdKeyOption = "id",
    text_key: TextKeyOption = "text",
    lines: LinesOption = False,
    batch_size: BatchSizeOption = 128,
    candidates: float | None = Option(
        None, min=0, max=1, help="Also keep all spans with at least this probability"
    ),
    samples: int | None = Option(
        None, min=1, help="Also draw so many tag sequences of each text, by their probabilities"
    ),
    seed: int = Option(0, "--seed", help="Seed of the samples"),
    max_length: int | None = Option(
        None, min=1, help="Maximum number of characters per text. Default: the pipeline's"
    ),
    rows: int = Option(2000, min=1, help="Maximum number of rows per output file"),
    target: Literal["parquet", "jsonl"] = Option("parquet", "--to", "-t", help="Format to write"),
    columns: bool = Option(
        True,
        "--columns/--no-columns",
        help="Whether to keep the text and the other columns of the input",
    ),
    code_path: CodeOption = None,
    force_overwrite: ForceOption = False,
) -> None:
    """Find the entities of many documents, with any spaCy pipeline, and write them to a folder.

    The text and the other columns of the input are kept. Run the same command again to resume a run
    that was stopped or killed. A text that can't be annotated keeps its row, with the reason in the
    column "error".
    """
    from ..workflows import annotate

    try:
        with _ProgressBar() as bar:
            summary = annotate(
                pipeline,
                inputs,
                output,
                engine=engine,
                jobs=jobs,
                id_key=id_key,
                text_key=text_key,
                lines=lines,
                batch_size=batch_size,
                candidates=candidates,
                samples=samples,
                seed=seed,
                max_length=max_length,
                rows=rows,
                columns=columns,
                target=target,
                code=code_path,
                overwrite=force_overwrite,
                on_progress=bar.show,
                on_message=msg.info,
            )
    except KeyboardInterrupt as error:
        raise UserError("Stopped. Run the same command again to resume.") from error
    if summary.n_errors:
        first = (summary.first_error or "").rstrip(".")
        msg.warn(
            f"{summary.n_errors:,} rows could not be annotated. The first: {first}. The "
            f"column 'error' has the reason of each: correct these rows and annotate them again."
        )
    n_candidates = "" if candidates is None else f" and {summary.n_candidates:,} candidates"
    written = (
        f"{summary.n_rows:,} rows in {summary.n_files:,} files, with {summary.n_entities:,} "
        f"entities{n_candidates}: {summary.output}"
    )
    if summary.n_entities or summary.n_candidates:
        msg.good(written)
    else:
        msg.warn(f"{written}. Nothing was found: is it the right pipeline for these texts?")


class _ProgressBar:
    """Shows how many rows are annotated, and how many words a second."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: "AnnotateProgress") -> None:
        """Show how far it is."""
        from tqdm import tqdm

        n_rows, total, n_words = progress
        if self._bar is None:
            if n_rows:
                msg.info(f"{n_rows:,} of {total:,} rows were annotated by an earlier run")
            self._bar = tqdm(total=total, initial=n_rows, unit=" rows", smoothing=0.1)
            return
        self._bar.update(n_rows - self._bar.n)
        seconds = self._bar.format_dict["elapsed"]
        self._bar.set_postfix_str(f"{n_words / max(seconds, 1e-9):,.0f} words/s")
