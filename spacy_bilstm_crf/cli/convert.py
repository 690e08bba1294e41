"""`convert`: annotated data from one format to another."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option
from wasabi import msg

from .app import bilstm_crf_cli
from .options import ForceOption

# Written out, so that spaCy's other commands need not import the formats; a test compares them
FormatName = Literal[
    "brat", "conll", "doccano", "doccano-relations", "label-studio", "prodigy", "spacy"
]


@bilstm_crf_cli.command("convert")
def convert_cli(
    path: Annotated[Path, Argument(metavar="IN", help="File to convert, or a folder of them")],
    output: Annotated[Path, Argument(help="File to write, or a folder for those of a folder")],
    source: Annotated[FormatName, Option("--from", "-f", help="Format to read")],
    target: Annotated[FormatName, Option("--to", "-t", help="Format to write")] = "spacy",
    lang: Annotated[
        str,
        Option("--lang", "-l", help="Language of the tokenizer, for texts that have no tokens"),
    ] = "xx",
    on_problem: Annotated[
        Literal["error", "skip", "missing"],
        Option(
            help="What to do with a document that spaCy can't hold as it is annotated. error: "
            "write nothing. skip: leave it out. missing: treat what the problem touches as not "
            "annotated"
        ),
    ] = "error",
    problems: Annotated[
        Path | None,
        Option(help="JSONL file to list the problems in, instead of OUTPUT.problems.jsonl"),
    ] = None,
    unannotated: Annotated[
        Literal["outside", "missing"],
        Option(help="Whether a token without annotation is outside of entities or may be in one"),
    ] = "outside",
    incorrect_spans_key: Annotated[
        str, Option(help="Key in doc.spans of rejected spans")
    ] = "incorrect_spans",
    text_key: Annotated[str, Option(help="Key of the text in JSON")] = "text",
    scheme: Annotated[
        Literal["auto", "iob1", "iob2", "biluo", "bioes"],
        Option(help="Tagging scheme of conll. auto: detect it when reading"),
    ] = "auto",
    separator: Annotated[
        str | None,
        Option(help=r"Between the columns of conll, such as '\t'. Default: blanks and tabs"),
    ] = None,
    word_column: Annotated[int, Option(help="Column of the word; the first is 0")] = 0,
    tag_column: Annotated[int, Option(help="Column of the tag; -1 is the last")] = -1,
    pos_column: Annotated[
        int | None, Option(help="Column of the part of speech, to keep it as token.tag_")
    ] = None,
    comment: Annotated[
        str | None, Option(help="Prefix of the comment lines of conll, such as '# '")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Convert annotated data between spaCy, Prodigy, doccano, Label Studio, brat and CoNLL.

    Nothing is lost silently. What a spaCy doc can't hold is counted and listed in a file; what the
    other format can't hold is counted.
    """
    from ..data.formats import ColumnSettings
    from ..workflows import convert

    if separator is not None:
        separator = separator.replace("\\t", "\t")
    result = convert(
        path,
        output,
        source=source,
        target=target,
        lang=lang,
        text_key=text_key,
        on_problem=on_problem,
        unannotated=unannotated,
        incorrect_spans_key=incorrect_spans_key,
        columns=ColumnSettings(scheme, separator, word_column, tag_column, pos_column, comment),
        problems=problems,
        force=force,
        on_progress=msg.info,
    )
    if result.problems_path is not None:
        kinds = Counter(problem.kind for problem in result.findings.problems)
        counts = ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items()))
        msg.warn(f"{counts}: see {result.problems_path}")
    if not result.findings.n_annotated:
        msg.warn(f"None of the documents is annotated. Is {path} really of --from {source}?")
    for file in result.files:
        msg.good(f"{file.path}: {file.n_docs:,} docs")
