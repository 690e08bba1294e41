"""`agreement`: how much annotators agree, and where they differ."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_folder
from .app import bilstm_crf_cli, prepare
from .format_options import (
    CommentOption,
    EncodingOption,
    LabelsOption,
    LangOption,
    LayerOption,
    SchemeOption,
    SeparatorOption,
    SourceOption,
    TagColumnsOption,
    WordColumnOption,
    column_settings,
    names_of,
)
from .options import CodeOption, EntityFinderOption, GpuOption, OutputFolder, TextKeyOption


@bilstm_crf_cli.command("agreement")
def agreement_cli(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE...",
            help="A file with the annotation of several annotators, or a file or folder of each. A "
            "single folder stands for the files in it or, with brat, the folders",
            exists=True,
        ),
    ],
    output: OutputFolder,
    source: SourceOption = None,
    pipeline: str | None = Option(
        None,
        "--pipeline",
        "-p",
        help="Trained pipeline, to tell with whom it sides where annotators differ",
    ),
    component: EntityFinderOption = None,
    kappa: bool = Option(False, "--kappa", help="Compute Cohen's kappa at tokens as well"),
    spans_key: str | None = Option(
        None,
        "--spans-key",
        help="Key in doc.spans of the entities, which may overlap. Default: those of doc.ents",
    ),
    skip_empty: bool = Option(
        False,
        "--skip-empty",
        help="Leave out documents in which an annotator has no entity, where files don't tell them "
        "from those that nobody has looked at",
    ),
    lang: LangOption = "xx",
    text_key: TextKeyOption = "text",
    encoding: EncodingOption = None,
    labels: LabelsOption = None,
    scheme: SchemeOption = "auto",
    separator: SeparatorOption = None,
    word_column: WordColumnOption = 0,
    tag_columns: TagColumnsOption = None,
    comment: CommentOption = None,
    layer: LayerOption = None,
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Measure how much annotators agree, and show where they differ, in one HTML page.

    Annotators are compared in pairs, on the texts that both have annotated: by the F of entities,
    strict and with overlaps, by label, with confidence intervals. agreement.json has the same
    numbers, and all disagreements.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows import agreement

    check_folder(output)
    prepare(code_path, use_gpu, silent=pipeline is None)
    found = agreement(
        files,
        source=source,
        pipeline=pipeline,
        component=component,
        kappa=kappa,
        spans_key=spans_key,
        skip_empty=skip_empty,
        lang=lang,
        text_key=text_key,
        encoding=encoding,
        labels=names_of(labels),
        columns=column_settings(scheme, separator, word_column, tag_columns, None, comment),
        layer=layer,
    )
    found.to_disk(output)
    for note in found.notes:
        msg.info(note)
    print(found)
    msg.good(f"Open {output / 'agreement.html'}")
