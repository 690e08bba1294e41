"""`calibrate`: make the probabilities of a trained pipeline fit held-out annotation."""

from typer import Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    DataArgument,
    ForceOption,
    GpuOption,
    PipelineArgument,
    PipelineFolder,
)


@bilstm_crf_cli.command("calibrate")
def calibrate_cli(
    pipeline: PipelineArgument,
    data: DataArgument,
    output: PipelineFolder,
    component: ComponentOption = "ner",
    recall: float | None = Option(
        None,
        "--recall",
        min=0,
        max=1,
        help="Set candidates_threshold instead, so that on average this share of a document's "
        "entities is among the candidates. The data must not have been used for anything else",
    ),
    per_label: bool = Option(
        False,
        "--per-label",
        help="Control the recall of each label separately, with its own threshold",
    ),
    code: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Calibrate the probabilities of a trained pipeline.

    Fits a temperature and a bias for each label to annotated data that the model was not trained
    on, ideally the development data, and saves the calibrated pipeline to a new folder. With
    --recall, sets the threshold for candidates by conformal risk control instead.
    """
    check_pipeline_folder(output, force)
    prepare(code, use_gpu)
    from ..workflows import calibrate

    found = calibrate(pipeline, data, component=component, recall=recall, per_label=per_label)
    found.to_disk(output)
    if found.calibration is None:
        msg.good(f"Saved '{component}' with its candidates_threshold in {output}")
        for label, control in found.risk_control.items():
            print(
                f"{label or 'all labels'}: candidates have a probability of at least "
                f"{control.threshold:.4f}; they include {control.found:.1%} of a document's "
                f"entities (mean over {control.n_docs:,} documents with entities)"
            )
        return
    temperature, biases = found.calibration
    named = ", ".join(f"{label} {bias:.3f}" for label, bias in zip(found.labels, biases))
    msg.good(f"Saved '{component}' with its calibration in {output}")
    print(f"temperature {temperature:.3f}; biases: {named}")
