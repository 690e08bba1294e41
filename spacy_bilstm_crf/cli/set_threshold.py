"""`set-threshold`: the least probability of the entities that a pipeline finds."""

from typer import Argument
from wasabi import msg

from ..common.files import check_pipeline_folder
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    PipelineArgument,
    PipelineFolder,
)


@bilstm_crf_cli.command("set-threshold")
def set_threshold_cli(
    pipeline: PipelineArgument,
    output: PipelineFolder,
    threshold: float = Argument(..., min=0, max=1, help="Least probability of an entity"),
    component: ComponentOption = "ner",
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Set the threshold of a trained pipeline, and save it to a new folder.

    Entities that are less probable are no longer found. `spacy find-threshold` looks for the best
    threshold on development data.
    """
    check_pipeline_folder(output, force)
    prepare(code, -1, silent=True)
    from ..workflows import set_threshold

    set_threshold(pipeline, threshold, output=output, component=component, on_message=msg.warn)
    msg.good(f"Saved '{component}' with the threshold {threshold:g} in {output}")
