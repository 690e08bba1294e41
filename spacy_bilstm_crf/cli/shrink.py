"""`shrink`: make the word vectors of a trained pipeline smaller."""

from pathlib import Path
from typing import Literal

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli
from .options import CodeOption, ForceOption, PipelineArgument


@bilstm_crf_cli.command("shrink")
def shrink_cli(
    pipeline: PipelineArgument,
    output: Path = Argument(..., help="Folder to save the smaller pipeline to"),
    keep_words: int | None = Option(
        None, "--keep-words", "-k", min=1, help="Number of most frequent words to keep vectors for"
    ),
    dtype: Literal["float32", "float16"] = Option(
        "float16", "--dtype", "-d", help="Data type of the vectors"
    ),
    data: Path | None = Option(
        None, "--data", exists=True, help="Annotated data, to measure F1 before and after"
    ),
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Make a trained pipeline smaller: fewer word vectors, with fewer bits.

    Words of the training data are not affected: the component has its own vectors for them.
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
