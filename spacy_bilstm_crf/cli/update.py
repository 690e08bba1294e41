"""`update`: teach a trained pipeline new labels or new texts."""

from pathlib import Path
from typing import TYPE_CHECKING

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
from .tables import print_table

if TYPE_CHECKING:
    from ..workflows.update import UpdateScores


@bilstm_crf_cli.command("update")
def update_cli(
    pipeline: PipelineArgument,
    data: DataArgument,
    output: PipelineFolder,
    old_data: Path | None = Option(
        None,
        "--old-data",
        exists=True,
        help="Annotated data (.spacy) that the pipeline was trained on, to be mixed in",
    ),
    dev: Path | None = Option(
        None, "--dev", "-d", exists=True, help="Annotated data (.spacy) to score before and after"
    ),
    max_steps: int = Option(400, "--max-steps", min=1, help="Maximum number of training steps"),
    seed: int = Option(0, "--seed", help="Seed of the random numbers"),
    component: ComponentOption = "ner",
    code: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Train a pipeline further on new data, and keep what it has learned.

    The data may have new labels, and need annotation of these only: a label that they lack is taken
    as not annotated in them. A few sentences are enough. Old data keep best what was learned.
    """
    check_pipeline_folder(output, force)
    prepare(code, use_gpu)
    from ..workflows import update

    updated = update(
        pipeline,
        data,
        old_data=old_data,
        dev=dev,
        component=component,
        max_steps=max_steps,
        seed=seed,
        on_progress=print,
    )
    updated.to_disk(output)
    if updated.completed:
        print(f"Not annotated in the new data, so kept as it was: {', '.join(updated.completed)}")
    print_table(
        ["", "before", "after"],
        [row for name, both in updated.scores.items() for row in _rows(name, *both)],
    )
    for warning in updated.warnings:
        msg.warn(warning)
    added = f" with {', '.join(updated.added)}" if updated.added else ""
    msg.good(f"Saved '{component}'{added} in {output}, after {updated.n_steps} steps")


def _rows(data: str, before: "UpdateScores", after: "UpdateScores") -> list[list[str]]:
    named = {
        "F of the known labels": (before.known, after.known),
        "F of the new data's labels": (before.learned, after.learned),
        "% of texts without an added label in which one is found": (
            before.overused,
            after.overused,
        ),
    }
    return [
        [f"{data}: {name}", *(f"{100 * value:.1f}" for value in both if value is not None)]
        for name, both in named.items()
        if None not in both
    ]
