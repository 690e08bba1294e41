"""`shrink`: make the word vectors of a trained pipeline smaller."""

from pathlib import Path
from typing import Literal

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli
from .options import CodeOption, ForceOption, PipelineArgument, ScoringDataOption
from .tables import print_qualities


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
    data: ScoringDataOption = None,
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
    for warning in shrunk.warnings:
        msg.warn(warning)
    n_before, n_now = shrunk.n_vectors
    msg.good(f"{n_before:,} vectors before, {n_now:,} after: {output}")
    print(f"MB on disk: {shrunk.megabytes_before:.1f} before, {megabytes:.1f} after")
    print_qualities({"before": shrunk.before, "after": shrunk.after})
