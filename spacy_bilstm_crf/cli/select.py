"""`select`: the documents to annotate next."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_file
from ..common.pipelines import import_code
from .app import bilstm_crf_cli, choose_gpu
from .options import (
    CodeOption,
    ComponentOption,
    ForceOption,
    GpuOption,
    PipelineArgument,
    TextKeyOption,
)


@bilstm_crf_cli.command("select")
def select_cli(
    pipeline: PipelineArgument,
    texts_path: Annotated[
        Path,
        Argument(
            metavar="TEXTS",
            help="Texts: a .txt file with one on each line, a .jsonl or .spacy file, or a folder",
        ),
    ],
    output: Annotated[Path, Option("--output", "-o", help="File to write the chosen documents to")],
    n: Annotated[int, Option("--n", "-n", min=1, help="How many to choose")] = 100,
    strategy: Annotated[
        Literal["entropy", "margin", "diverse"],
        Option(
            "--strategy",
            "-s",
            help="entropy: those the model is most unsure of. margin: those whose second best tag "
            "sequence comes closest to the best. diverse: those with the most doubtful entities, "
            "where the same words count less each time",
        ),
    ] = "diverse",
    target: Annotated[
        Literal["prodigy", "label-studio", "spacy"], Option("--to", "-t", help="Format to write")
    ] = "prodigy",
    exclude: Annotated[
        Path | None,
        Option("--exclude", "-x", help="Docs annotated already: a .spacy file or a folder"),
    ] = None,
    text_key: TextKeyOption = "text",
    component: ComponentOption = "ner",
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Choose the documents to annotate next: those from which the model would learn most.

    They come with the entities that the model finds, as suggestions to correct.
    """
    check_file(output, force)
    for path in filter(None, (texts_path, exclude)):
        if path.resolve() in (output.resolve(), *output.resolve().parents):
            raise UserError(f"{output} is or lies in {path}, which is read. Name another.")
    import_code(code_path)
    choose_gpu(use_gpu)
    from ..workflows import select

    found = select(
        pipeline,
        texts_path,
        n,
        strategy=strategy,
        component=component,
        exclude=exclude or (),
        text_key=text_key,
    )
    found.to_disk(output, target=target, text_key=text_key)
    msg.good(f"{len(found.suggestions):,} of {found.n_texts:,} documents: {output}")
