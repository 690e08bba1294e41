"""`select`: the documents to annotate next, or questions about single entities."""

from pathlib import Path
from typing import Literal

from typer import Option
from wasabi import msg

from ..common.errors import UserError
from .app import bilstm_crf_cli, prepare
from .format_options import WritableName
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    GpuOption,
    IdKeyOption,
    LinesOption,
    PipelineArgument,
    TextKeyOption,
    TextsArgument,
)

STRATEGY_HELP = (
    "entropy: those the model is most unsure of. margin: those whose second best tag sequence "
    "comes closest to the best. diverse: those with the most uncertain entities, where words that "
    "were already chosen count less. With --spans: those whose answer tells most; with diverse, "
    "words that were already asked about count less"
)


@bilstm_crf_cli.command("select")
def select_cli(
    pipeline: PipelineArgument,
    texts: TextsArgument,
    output: Path = Option(
        ..., "--output", "-o", help="File to write the chosen documents to; for brat a folder"
    ),
    n: int = Option(100, "--n", "-n", min=1, help="Number of documents or questions to choose"),
    strategy: Literal["entropy", "margin", "diverse"] = Option(
        "diverse", "--strategy", "-s", help=STRATEGY_HELP
    ),
    spans: bool = Option(
        False,
        "--spans",
        help="Choose single entities to accept or reject, instead of documents. Their text has a "
        "task for each",
    ),
    target: WritableName = Option(
        "prodigy",
        "--to",
        "-t",
        help="Format to write; with --spans prodigy or label-studio. brat, conll, doccano and "
        "hugging-face can't tell suggestions from annotation",
    ),
    exclude: Path | None = Option(
        None,
        "--exclude",
        "-x",
        exists=True,
        help="Docs that are already annotated: a .spacy file or a folder. With --spans, what they "
        "leave open may be asked",
    ),
    id_key: IdKeyOption = "id",
    text_key: TextKeyOption = "text",
    lines: LinesOption = False,
    component: ComponentOption = "ner",
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Choose what to annotate next: that from which the model would learn most.

    Documents come with the entities that the model finds, as suggestions to correct. With --spans,
    each task asks about one entity.
    """
    from ..workflows.select import check_output, select

    check_output(output, target, force, spans)
    for path in filter(None, (Path(texts), exclude)):
        here, there = path.resolve(), output.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise UserError(
                f"{output} is the input {path}, or one is inside the other. Name another."
            )
    prepare(code_path, use_gpu)
    found = select(
        pipeline,
        texts,
        n,
        strategy=strategy,
        spans=spans,
        component=component,
        exclude=exclude or (),
        id_key=id_key,
        text_key=text_key,
        lines=lines,
    )
    found.to_disk(output, target=target, text_key=text_key)
    if spans:
        n_texts = len({one.place for one in found.suggestions})
        n_asked = len(found.suggestions)
        msg.good(
            f"{n_asked:,} questions about {n_texts:,} of {found.n_texts:,} documents: {output}"
        )
        return
    if not found.has_suggestions:
        msg.warn("No entity was found in these documents, so they come without suggestions.")
    msg.good(f"{len(found.suggestions):,} of {found.n_texts:,} documents: {output}")
