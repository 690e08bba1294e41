"""`ensemble`: combine pipelines that were trained with different seeds into one."""

from typing import Annotated

from typer import Argument
from wasabi import msg

from ..common.files import check_pipeline_folder
from ..common.pipelines import import_code
from .app import bilstm_crf_cli
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    PipelineFolder,
    ScoringDataOption,
)
from .tables import print_qualities


@bilstm_crf_cli.command("ensemble")
def ensemble_cli(
    pipelines: Annotated[
        list[str],
        Argument(help="Two or more pipelines trained with the same config and different seeds"),
    ],
    output: PipelineFolder,
    component: ComponentOption = "ner",
    data: ScoringDataOption = None,
    code: CodeOption = None,
    force: ForceOption = False,
) -> None:
    """Average the potentials of several pipelines, for a slightly higher F1.

    Prediction takes as long as with all of them together. The first pipeline's other components and
    settings are kept. Calibrate the result again. With --data, prints what each pipeline scores and
    what the mean does.
    """
    check_pipeline_folder(output, force)
    import_code(code)
    from ..workflows import ensemble

    found = ensemble(pipelines, component=component, data=data)
    found.to_disk(output)
    for warning in found.warnings:
        msg.warn(warning)
    msg.good(f"Saved the mean of {len(pipelines)} pipelines in {output}")
    print_qualities({**dict(zip(pipelines, found.members)), "their mean": found.quality})
