"""`shrink`: make the word vectors of a trained pipeline smaller."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli
from .options import CodeOption, ForceOption, PipelineArgument


@bilstm_crf_cli.command("shrink")
def shrink_cli(
    pipeline: PipelineArgument,
    output: Annotated[Path, Argument(help="Folder to save the smaller pipeline to")],
    keep_words: Annotated[
        int | None,
        Option("--keep-words", "-k", min=1, help="Keep the vectors of so many most frequent words"),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"], Option("--dtype", "-d", help="Type of the vectors' numbers")
    ] = "float16",
    data: Annotated[
        Path | None,
        Option(
            "--data",
            exists=True,
            help="Annotated data to measure what it costs: a .spacy file, or a folder of them",
        ),
    ] = None,
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Make a trained pipeline smaller: fewer word vectors, with fewer bits.

    Words of the training data have vectors of their own in the component, which do not change.
    """
    check_pipeline_folder(output, force)
    import_code(code)
    from ..workflows import shrink

    shrunk = shrink(pipeline, keep_words=keep_words, dtype=dtype, data=data)
    megabytes = shrunk.to_disk(output)
    n_before, n_now = shrunk.n_vectors
    msg.good(f"{n_before:,} vectors before, {n_now:,} now: {output}")
    print(f"MB on disk: {shrunk.megabytes_before:.1f} before, {megabytes:.1f} now")
    if shrunk.f_score is not None:
        f_before, f_now = shrunk.f_score
        print(f"F on {data}: {f_before:.2f} before, {f_now:.2f} now")
