"""`distill`: a fast pipeline learns from a slow one, on raw texts."""

from functools import partial
from pathlib import Path

from typer import Argument, Context, Option
from wasabi import msg

from .app import bilstm_crf_cli, parse_overrides, prepare
from .options import (
    WITH_OVERRIDES,
    CodeOption,
    ComponentOption,
    GpuOption,
    LinesOption,
    PipelineArgument,
    TextKeyOption,
    TextsArgument,
)


@bilstm_crf_cli.command("distill", context_settings=WITH_OVERRIDES)
def distill_cli(
    ctx: Context,  # for overrides of the config
    teacher: PipelineArgument,
    texts: TextsArgument,
    config_path: Path = Argument(..., metavar="CONFIG", help="Training config of the student"),
    output: Path = Option(..., "--output", "-o", help="Folder for soft labels and the student"),
    labelled: Path | None = Option(
        None, "--labelled", "-l", exists=True, help="Annotated data (.spacy) to train on as well"
    ),
    dev: Path | None = Option(
        None, "--dev", "-d", exists=True, help="Development data. Default: the config's paths.dev"
    ),
    temperature: float = Option(
        1.0, "--temperature", "-T", help="Softmax temperature; above 1 softens the targets"
    ),
    entities: bool = Option(
        False,
        "--entities",
        "-e",
        help="Learn the entities that the whole teacher pipeline finds, not a distribution",
    ),
    text_key: TextKeyOption = "text",
    lines: LinesOption = False,
    component: ComponentOption = "ner",
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Train a fast pipeline on what a slow one predicts for raw texts.

    If the teacher has a bilstm_crf_ner, the student learns its distribution over tag sequences;
    otherwise it learns the teacher's entities, weighted by their probabilities if available. The
    soft labels are kept, so an interrupted run can be resumed. Override settings of the config as
    with `spacy train`.
    """
    overrides = parse_overrides(ctx.args)
    prepare(code_path, use_gpu, silent=True)
    from ..workflows import distill

    student = distill(
        teacher,
        texts,
        config_path,
        output,
        labelled=labelled,
        dev=dev,
        temperature=temperature,
        entities=entities,
        text_key=text_key,
        lines=lines,
        component=component,
        overrides=overrides,
        use_gpu=use_gpu,
        on_progress=partial(print, flush=True),
    )
    msg.good(f"Saved the student in {student}")
