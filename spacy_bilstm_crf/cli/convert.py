"""`convert`: annotated data from one format to another."""

from collections import Counter
from pathlib import Path
from typing import Literal

from typer import Argument, Option
from wasabi import msg

from .app import bilstm_crf_cli
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
    WritableName,
    column_settings,
    names_of,
)
from .options import ForceOption, TextKeyOption

ON_PROBLEM_HELP = (
    "What to do with a document whose annotation spaCy can't represent. error: write nothing. "
    "skip: leave it out. missing: treat the affected tokens as not annotated. trim: cut blanks off "
    "the edges of spans, then as missing"
)
OVERLAPS_HELP = (
    "What to do with entities that overlap. problem: see --on-problem. longest: keep the longest. "
    "keep: keep all, in doc.spans"
)


@bilstm_crf_cli.command("convert")
def convert_cli(
    path: Path = Argument(..., help="File to convert, or a folder of them", metavar="IN"),
    output: Path = Argument(..., help="File to write, or a folder if IN is a folder"),
    source: SourceOption = None,
    target: WritableName | None = Option(
        None,
        "--to",
        "-t",
        help="Format to write. Default: the one that alone has the ending of OUT, or spacy",
    ),
    lang: LangOption = "xx",
    encoding: EncodingOption = None,
    labels: LabelsOption = None,
    on_problem: Literal["error", "skip", "missing", "trim"] = Option("error", help=ON_PROBLEM_HELP),
    overlaps: Literal["problem", "longest", "keep"] = Option("problem", help=OVERLAPS_HELP),
    spans_key: str = Option("sc", help="Key in doc.spans for entities that may overlap"),
    problems: Path | None = Option(
        None, help="JSONL file to list the problems in, instead of OUTPUT.problems.jsonl"
    ),
    unannotated: Literal["outside", "missing"] = Option(
        "outside",
        help="How to read tokens without annotation. outside: not in an entity. missing: unknown",
    ),
    incorrect_spans_key: str = Option(
        "incorrect_spans", help="Key in doc.spans for rejected spans"
    ),
    text_key: TextKeyOption = "text",
    scheme: SchemeOption = "auto",
    separator: SeparatorOption = None,
    word_column: WordColumnOption = 0,
    tag_columns: TagColumnsOption = None,
    pos_column: int | None = Option(
        None, help="Column of the part of speech, to keep it as token.tag_"
    ),
    comment: CommentOption = None,
    layer: LayerOption = None,
    force: ForceOption = False,
) -> None:
    """Convert annotated data between spaCy and the formats of annotation tools and libraries.

    Nothing is lost silently. Problems with annotation that a spaCy doc can't represent are counted
    and listed in a file. What the target format can't represent is counted.
    """
    from ..workflows.convert import convert

    result = convert(
        path,
        output,
        source=source,
        target=target,
        lang=lang,
        text_key=text_key,
        encoding=encoding,
        labels=names_of(labels),
        on_problem=on_problem,
        overlaps=overlaps,
        spans_key=spans_key,
        unannotated=unannotated,
        incorrect_spans_key=incorrect_spans_key,
        columns=column_settings(scheme, separator, word_column, tag_columns, pos_column, comment),
        layer=layer,
        problems=problems,
        force=force,
        on_progress=msg.info,
    )
    if result.problems_path is not None:
        kinds = Counter(problem.kind for problem in result.findings.problems)
        counts = ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items()))
        msg.warn(f"{counts}: see {result.problems_path}")
    for file in result.files:
        say = msg.good if file.contents.n_entities else msg.warn
        say(f"{file.path}: {file.contents}")
    example = next((file.contents.example for file in result.files if file.contents.example), None)
    if example is not None:
        msg.text(f"For example: {example}")
