"""`set-threshold`: the least probability of the entities that a pipeline finds."""

from typing import Any

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    PipelineArgument,
    PipelineFolder,
    label_threshold,
)


@bilstm_crf_cli.command("set-threshold")
def set_threshold_cli(
    pipeline: PipelineArgument,
    output: PipelineFolder,
    threshold: float = Argument(..., min=0, max=1, help="Least probability of an entity"),
    by_label: list[Any] = Option(
        [],
        "--label",
        metavar="LABEL=THRESHOLD",
        parser=label_threshold,
        help="Threshold of one label, in place of that of all: PERSON=0.8. Repeat the option for "
        "several",
    ),
    component: ComponentOption = "ner",
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Set the threshold of a trained pipeline, and save it to a new folder.

    Entities that are less probable are no longer found. `calibrate --best-f` sets the best
    threshold on development data instead, for all labels or for each.
    """
    check_pipeline_folder(output, force)
    prepare(code, -1, silent=True)
    from ..workflows import set_threshold

    of_labels: dict[str, float] = dict(by_label)
    options: dict[str, Any] = {"output": output, "component": component, "on_message": msg.warn}
    set_threshold(pipeline, threshold, by_label=of_labels, **options)
    others = "".join(f", {label} {p:g}" for label, p in of_labels.items())
    msg.good(f"Saved '{component}' with the threshold {threshold:g}{others} in {output}")
