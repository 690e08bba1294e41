"""`export`: make a trained pipeline that predicts without torch."""

from pathlib import Path
from typing import Literal

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli
from .options import CodeOption, ForceOption, PipelineArgument, ScoringDataOption
from .tables import print_qualities


@bilstm_crf_cli.command("export")
def export_cli(
    pipeline: PipelineArgument,
    output: Path = Argument(..., help="Folder to save the exported pipeline to"),
    precision: Literal["float32", "int8"] = Option(
        "float32", "--precision", help="Numbers that the LSTM computes with"
    ),
    data: ScoringDataOption = None,
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Export a trained pipeline, so that it predicts without torch.

    ONNX Runtime takes the place of torch, which need not be installed where the result runs. It
    starts sooner and takes less memory, and less time for a text. With float32 it finds the same
    entities; int8 takes about half the time and changes few of them. It can't be trained any more:
    train the original and export again.
    """
    check_pipeline_folder(output, force)
    import_code(code)
    from ..workflows import export

    exported = export(pipeline, precision=precision, data=data)
    exported.to_disk(output)
    for warning in exported.warnings:
        msg.warn(warning)
    msg.good(f"Exported with {precision}: {output}")
    found = exported.difference
    if found is not None:
        print_qualities({"before": found.before, "after": found.after})
        print(f"{found.n_different:,} entities differ, of {found.n_entities:,} before")
