"""`report`: one HTML page that shows how good a pipeline is and where it fails."""

from pathlib import Path

from typer import Option
from wasabi import msg

from ..common.files import check_folder
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    DataArgument,
    GpuOption,
    OutputFolder,
    PipelineArgument,
    SliceOption,
)


@bilstm_crf_cli.command("report")
def report_cli(
    pipeline: PipelineArgument,
    data_path: DataArgument,
    output: OutputFolder,
    baseline: str | None = Option(
        None, "--baseline", "-b", help="Another pipeline, to compare with on the same data"
    ),
    train_path: Path | None = Option(
        None, "--train", "-t", exists=True, help="Training data, to tell seen from unseen entities"
    ),
    slices: SliceOption = None,
    spans_key: str | None = Option(
        None,
        "--spans-key",
        help="Key in doc.spans of the entities, gold and predicted. Default: doc.ents if a "
        "component sets them, or else the key of the bilstm_crf_spans or spancat",
    ),
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Show how good a pipeline is and where it fails, in one HTML page.

    Works with any pipeline that sets doc.ents or a group of doc.spans. The page has scores with
    confidence intervals, errors by kind, scores of groups of entities, and, if entities have
    probabilities, how well calibrated they are. It works offline. report.json has the same numbers.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows import report

    check_folder(output)
    prepare(code_path, use_gpu)
    found = report(
        pipeline,
        data_path,
        baseline=baseline,
        train=train_path,
        slices=slices or (),
        spans_key=spans_key,
    )
    found.to_disk(output)
    print(found)
    msg.good(f"Open {output / 'report.html'}")
