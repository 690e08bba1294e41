"""`report`: one HTML page that shows how good a pipeline is and where it fails."""

from pathlib import Path
from typing import Annotated

from typer import Option
from wasabi import msg

from ..common.files import check_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli, choose_gpu
from .options import CodeOption, DataArgument, GpuOption, OutputFolder, PipelineArgument


@bilstm_crf_cli.command("report")
def report_cli(
    pipeline: PipelineArgument,
    data_path: DataArgument,
    output: OutputFolder,
    baseline: Annotated[
        str | None,
        Option("--baseline", "-b", help="Another pipeline, to compare with on the same data"),
    ] = None,
    train_path: Annotated[
        Path | None,
        Option(
            "--train",
            "-t",
            exists=True,
            help="Training data, to tell seen entities from unseen ones",
        ),
    ] = None,
    slices: Annotated[
        list[str] | None,
        Option(
            "--slice",
            "-s",
            help="Also score entities by this key of doc.user_data or this extension of docs or "
            "spans. Can be given several times",
        ),
    ] = None,
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Show how good a pipeline is and where it fails, in one HTML page.

    Works with any pipeline that sets doc.ents. The page has scores with confidence intervals,
    errors by kind, scores of groups of entities, and, if entities have probabilities, how well
    calibrated they are. It works offline. report.json has the same numbers.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows import report

    check_folder(output)
    import_code(code_path)
    choose_gpu(use_gpu)
    found = report(pipeline, data_path, baseline=baseline, train=train_path, slices=slices or ())
    found.to_disk(output)
    print(found)
    msg.good(f"Open {output / 'report.html'}")
