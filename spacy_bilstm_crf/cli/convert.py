"""`convert`: annotated data from one format to another."""

from collections import Counter
from pathlib import Path
from typing import Literal

from typer import Argument, Option
from wasabi import msg

from .app import bilstm_crf_cli
from .options import ForceOption, TextKeyOption

# Written out, so that spaCy's other commands need not import the formats; a test compares them
FormatName = Literal[
    "bioc",
    "brat",
    "conll",
    "dataturks",
    "doccano",
    "doccano-relations",
    "gliner",
    "ground-truth",
    "hugging-face",
    "label-studio",
    "ner-annotator",
    "presidio",
    "prodigy",
    "pubtator",
    "rasa",
    "spacy",
    "spacy-v2",
    "uima-cas",
    "webanno",
]
WritableName = Literal[
    "brat",
    "conll",
    "doccano",
    "doccano-relations",
    "gliner",
    "hugging-face",
    "label-studio",
    "presidio",
    "prodigy",
    "spacy",
]
Scheme = Literal["auto", "iob1", "iob2", "biluo", "bioes"]
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
    source: FormatName | None = Option(
        None, "--from", "-f", help="Format to read. Default: found by looking at the files"
    ),
    target: WritableName | None = Option(
        None,
        "--to",
        "-t",
        help="Format to write. Default: the one that alone has the ending of OUT, or spacy",
    ),
    lang: str = Option(
        "xx", "--lang", "-l", help="Language of the tokenizer for texts without tokens"
    ),
    encoding: str | None = Option(
        None, help="Encoding of the files to read, such as cp1252 or utf-16. Default: UTF-8"
    ),
    labels: str | None = Option(
        None,
        help="Names of the integers of hugging-face in their order, such as O,B-PER,I-PER. "
        "Default: found in the files",
    ),
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
    scheme: Scheme = Option("auto", help="Tagging scheme of conll; auto detects it"),
    separator: str | None = Option(
        None, help=r"Column separator of conll, such as '\t'. Default: found by looking at the file"
    ),
    word_column: int = Option(0, help="Column of the word; the first is 0"),
    tag_columns: list[int] | None = Option(
        None,
        "--tag-column",
        help="Column of the tag; repeat the option for several, with --overlaps keep. Default: the "
        "last",
    ),
    pos_column: int | None = Option(
        None, help="Column of the part of speech, to keep it as token.tag_"
    ),
    comment: str | None = Option(None, help="Prefix of the comment lines of conll, such as '# '"),
    layer: str | None = Option(
        None,
        help="Layer of INCEpTION that has the entities. Default: that of named entities, or the "
        "only other one",
    ),
    force: ForceOption = False,
) -> None:
    """Convert annotated data between spaCy and the formats of annotation tools and libraries.

    Nothing is lost silently. Problems with annotation that a spaCy doc can't represent are counted
    and listed in a file. What the target format can't represent is counted.
    """
    from ..workflows.convert import ColumnSettings, convert

    if separator is not None:
        separator = separator.replace("\\t", "\t")
    result = convert(
        path,
        output,
        source=source,
        target=target,
        lang=lang,
        text_key=text_key,
        encoding=encoding,
        labels=[name.strip() for name in labels.split(",")] if labels is not None else (),
        on_problem=on_problem,
        overlaps=overlaps,
        spans_key=spans_key,
        unannotated=unannotated,
        incorrect_spans_key=incorrect_spans_key,
        columns=ColumnSettings(
            scheme, separator, word_column, tuple(tag_columns or [-1]), pos_column, comment
        ),
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
