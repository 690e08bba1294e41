"""`select`: the documents to annotate next."""

from pathlib import Path
from typing import Literal

from typer import Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_file
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    GpuOption,
    LinesOption,
    PipelineArgument,
    TextKeyOption,
    TextsArgument,
)

STRATEGY_HELP = (
    "entropy: those the model is most unsure of. margin: those whose second best tag sequence "
    "comes closest to the best. diverse: those with the most uncertain entities, where words that "
    "were already chosen count less"
)


@bilstm_crf_cli.command("select")
def select_cli(
    pipeline: PipelineArgument,
    texts: TextsArgument,
    output: Path = Option(..., "--output", "-o", help="File to write the chosen documents to"),
    n: int = Option(100, "--n", "-n", min=1, help="Number of documents to choose"),
    strategy: Literal["entropy", "margin", "diverse"] = Option(
        "diverse", "--strategy", "-s", help=STRATEGY_HELP
    ),
    target: Literal["prodigy", "label-studio", "spacy"] = Option(
        "prodigy", "--to", "-t", help="Format to write"
    ),
    exclude: Path | None = Option(
        None,
        "--exclude",
        "-x",
        exists=True,
        help="Docs that are already annotated: a .spacy file or a folder",
    ),
    text_key: TextKeyOption = "text",
    lines: LinesOption = False,
    component: ComponentOption = "ner",
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Choose the documents to annotate next: those from which the model would learn most.

    They come with the entities that the model finds, as suggestions to correct.
    """
    check_file(output, force)
    for path in filter(None, (Path(texts), exclude)):
        if path.resolve() in (output.resolve(), *output.resolve().parents):
            raise UserError(f"{output} is, or is inside, the input {path}. Name another file.")
    prepare(code_path, use_gpu)
    from ..workflows import select

    found = select(
        pipeline,
        texts,
        n,
        strategy=strategy,
        component=component,
        exclude=exclude or (),
        text_key=text_key,
        lines=lines,
    )
    found.to_disk(output, target=target, text_key=text_key)
    msg.good(f"{len(found.suggestions):,} of {found.n_texts:,} documents: {output}")
