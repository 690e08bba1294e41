"""Options of the commands that read formats of annotated data, written once so that they agree."""

from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

if TYPE_CHECKING:
    from ..workflows.convert import ColumnSettings

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

SourceOption = Annotated[
    FormatName | None,
    Option("--from", "-f", help="Format to read. Default: found by looking at the files"),
]
LangOption = Annotated[
    str, Option("--lang", "-l", help="Language of the tokenizer for texts without tokens")
]
EncodingOption = Annotated[
    str | None,
    Option(
        "--encoding", help="Encoding of the files to read, such as cp1252 or utf-16. Default: UTF-8"
    ),
]
LabelsOption = Annotated[
    str | None,
    Option(
        "--labels",
        help="Names of the integers of hugging-face in their order, such as O,B-PER,I-PER. "
        "Default: found in the files",
    ),
]
SchemeOption = Annotated[
    Scheme, Option("--scheme", help="Tagging scheme of conll; auto detects it")
]
SeparatorOption = Annotated[
    str | None,
    Option(
        "--separator",
        help=r"Column separator of conll, such as '\t'. Default: found by looking at the file",
    ),
]
WordColumnOption = Annotated[
    int, Option("--word-column", help="Column of the word; the first is 0")
]
TagColumnsOption = Annotated[
    list[int] | None,
    Option(
        "--tag-column",
        help="Column of the tag. Default: the last. Repeat the option for several columns, whose "
        "entities may overlap",
    ),
]
CommentOption = Annotated[
    str | None,
    Option("--comment", help="Prefix of the comment lines of conll, such as '# '"),
]
LayerOption = Annotated[
    str | None,
    Option(
        "--layer",
        help="Layer of INCEpTION that has the entities. Default: that of named entities, or the "
        "only other one",
    ),
]


def column_settings(
    scheme: Scheme,
    separator: str | None,
    word_column: int,
    tag_columns: list[int] | None,
    pos_column: int | None,
    comment: str | None,
) -> "ColumnSettings":
    """Return the settings of columns as the options give them."""
    from ..workflows.convert import ColumnSettings

    if separator is not None:
        separator = separator.replace("\\t", "\t")
    tags = tuple(tag_columns or [-1])
    return ColumnSettings(scheme, separator, word_column, tags, pos_column, comment)


def names_of(labels: str | None) -> list[str]:
    """Return the names that are given in one string, with commas between them."""
    return [] if labels is None else [name.strip() for name in labels.split(",")]
