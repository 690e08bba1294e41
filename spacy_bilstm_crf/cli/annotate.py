"""`annotate`: the entities of many documents, as Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from .app import bilstm_crf_cli
from .options import CodeOption, LinesOption, PipelineArgument, TextsArgument

if TYPE_CHECKING:
    from ..workflows.annotate import AnnotateProgress


@bilstm_crf_cli.command("annotate")
def annotate_cli(
    pipeline: PipelineArgument,
    inputs: TextsArgument,
    output: Annotated[Path, Argument(help="Folder for Parquet files")],
    engine: Annotated[
        Literal["local", "ray", "spark"],
        Option("--engine", "-e", help="What runs the workers: this machine, Ray or Spark"),
    ] = "local",
    jobs: Annotated[
        int, Option("--jobs", "-j", min=1, help="Number of workers. Each loads the pipeline")
    ] = 1,
    id_key: Annotated[
        str,
        Option(
            "--id-key",
            "--id-column",
            help="Key or column of the ids. Without one, file and row are the id",
        ),
    ] = "id",
    text_key: Annotated[
        str,
        Option(
            "--text-key",
            "--text-column",
            help="Key or column of the text in JSON, CSV and Parquet",
        ),
    ] = "text",
    lines: LinesOption = False,
    batch_size: Annotated[
        int, Option("--batch-size", "-n", min=1, help="Texts in the pipeline at once")
    ] = 128,
    candidates: Annotated[
        float | None,
        Option(
            "--candidates",
            min=0.0,
            max=1.0,
            help="Also keep all spans that are at least so probable, overlapping or not",
        ),
    ] = None,
    max_length: Annotated[
        int | None,
        Option("--max-length", min=1, help="Most characters of a text, in place of the pipeline's"),
    ] = None,
    rows: Annotated[
        int, Option("--rows", min=1, help="Most rows of a Parquet file that is written")
    ] = 2000,
    code_path: CodeOption = None,
    force_overwrite: Annotated[bool, Option("--force", "-F", help="Begin anew")] = False,
) -> None:
    """Find the entities of many documents, with any spaCy pipeline, and write them as Parquet.

    A run that was stopped or killed goes on with the same command. A text that can't be annotated
    keeps its row, with the reason in the column "error".
    """
    from ..workflows.annotate import annotate

    try:
        with ProgressBar() as bar:
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
                max_length=max_length,
                rows=rows,
                code=code_path,
                overwrite=force_overwrite,
                on_progress=bar.show,
            )
    except KeyboardInterrupt as error:
        raise UserError("Stopped. Run the same command again to go on.") from error
    if summary.n_errors:
        msg.warn(f"{summary.n_errors:,} rows could not be annotated: see their column 'error'")
    msg.good(f"{summary.n_rows:,} rows in {summary.n_files:,} files: {summary.output}")


class ProgressBar:
    """Shows how many rows are annotated, and how many words a second."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "ProgressBar":
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
                msg.info(f"{n_rows:,} of {total:,} rows are there from an earlier run")
            self._bar = tqdm(total=total, initial=n_rows, unit=" rows", smoothing=0.1)
            return
        self._bar.update(n_rows - self._bar.n)
        seconds = self._bar.format_dict["elapsed"]
        self._bar.set_postfix_str(f"{n_words / max(seconds, 1e-9):,.0f} words/s")
