"""`agreement`: how much annotators agree, and where they differ."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from wasabi import msg

from ..common.files import check_folder
from .app import bilstm_crf_cli, prepare
from .convert import FormatName, Scheme
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
    source: FormatName | None = Option(
        None, "--from", "-f", help="Format to read. Default: found by looking at the files"
    ),
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
    lang: str = Option(
        "xx", "--lang", "-l", help="Language of the tokenizer for texts without tokens"
    ),
    text_key: TextKeyOption = "text",
    encoding: str | None = Option(
        None, help="Encoding of the files to read, such as cp1252 or utf-16. Default: UTF-8"
    ),
    labels: str | None = Option(
        None,
        help="Names of the integers of hugging-face in their order, such as O,B-PER,I-PER. "
        "Default: found in the files",
    ),
    scheme: Scheme = Option("auto", help="Tagging scheme of conll; auto detects it"),
    separator: str | None = Option(
        None, help=r"Column separator of conll, such as '\t'. Default: found by looking at the file"
    ),
    word_column: int = Option(0, help="Column of the word; the first is 0"),
    tag_columns: list[int] | None = Option(
        None,
        "--tag-column",
        help="Column of the tag; repeat the option for several, with --spans-key. Default: the "
        "last",
    ),
    comment: str | None = Option(None, help="Prefix of the comment lines of conll, such as '# '"),
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
    from ..workflows.convert import ColumnSettings

    check_folder(output)
    prepare(code_path, use_gpu, silent=pipeline is None)
    if separator is not None:
        separator = separator.replace("\\t", "\t")
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
        labels=[name.strip() for name in labels.split(",")] if labels is not None else (),
        columns=ColumnSettings(
            scheme, separator, word_column, tuple(tag_columns or [-1]), None, comment
        ),
    )
    found.to_disk(output)
    for note in found.notes:
        msg.info(note)
    print(found)
    msg.good(f"Open {output / 'agreement.html'}")
