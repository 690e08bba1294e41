"""How annotated data is read and written: the settings of all formats."""

from collections.abc import Sequence
from typing import NamedTuple

ON_PROBLEM = ("error", "skip", "missing", "trim")
OVERLAPS = ("problem", "longest", "keep")
UNANNOTATED = ("outside", "missing")
UTF8 = "utf-8-sig"
TAG_SCHEMES = ("auto", "iob1", "iob2", "biluo", "bioes")


class DocSettings(NamedTuple):
    """How docs are made of records.

    Attributes:
        on_problem: What happens to a document with a problem. "skip" leaves it out; "missing"
            treats what the problem touches as not annotated. "trim" cuts blanks off the edges of
            spans, and does the same as "missing" with all other problems. So does "error", and the
            caller must check the findings.
        unannotated: "outside" if all entities are annotated, "missing" if only some may be.
        incorrect_spans_key: Key in `doc.spans` of the spans known to be no entity.
        overlaps: What happens to entities that overlap: "longest" keeps the longest of them, and
            the first of those that are as long, as `spacy.util.filter_spans` does. "keep" stores
            all entities of a completely annotated document in `doc.spans`, and reads them there
            when docs are written.
        spans_key: Key in `doc.spans` of these entities.
        splits_tokens: Whether a token is split where an entity begins or ends within it. If not,
            such an entity is a problem.
    """

    on_problem: str = "error"
    unannotated: str = "outside"
    incorrect_spans_key: str = "incorrect_spans"
    overlaps: str = "problem"
    spans_key: str = "sc"
    splits_tokens: bool = False

    @property
    def keeps_overlaps(self) -> bool:
        """Whether entities that overlap are kept, in `doc.spans`."""
        return self.overlaps == "keep"


class ColumnSettings(NamedTuple):
    r"""Where things are in CoNLL columns.

    Attributes:
        scheme: One of `TAG_SCHEMES`. "auto" detects it from the tags of a file.
        separator: Between columns; None for commas in a .csv file, and in others for blanks and
            tabs, or for tabs alone where words have blanks.
        word: Column of the word. The first is 0, the last is -1.
        tag: Column of the tag, or several columns with the tags of entities that overlap. If it is
            -1, no other column may have tags of entities.
        pos: Column of the part of speech; None for none.
        comment: Prefix of comment lines; None if there are none. A line with as many columns as the
            others and a tag is a token.
    """

    scheme: str = "auto"
    separator: str | None = None
    word: int = 0
    tag: int | Sequence[int] = -1
    pos: int | None = None
    comment: str | None = None

    @property
    def tags(self) -> tuple[int, ...]:
        """The columns of tags."""
        return (self.tag,) if isinstance(self.tag, int) else tuple(self.tag)


class FormatSettings(NamedTuple):
    """How files are read and written.

    Attributes:
        lang: Language whose tokenizer splits texts that come without tokens.
        text_key: Key of the text in JSON.
        docs: How docs are made.
        columns: Where things are in CoNLL columns.
        encoding: Of files of text. The default leaves out a byte order mark, if there is one.
        labels: The names of tags, in the order of the integers that stand for them. Empty to find
            them in the files that are read, and to take what the docs need in those written.
        suffix: The ending of the file to write, of formats that have several kinds of files. Empty
            for that of new files.
        by_annotator: Whether each annotation of a document becomes a document of its own, where a
            file has those of several annotators. If not, they are made one.
        layer: Layer of INCEpTION that has the entities; None for that of named entities, or the
            only other one.
    """

    lang: str = "xx"
    text_key: str = "text"
    docs: DocSettings = DocSettings()
    columns: ColumnSettings = ColumnSettings()
    encoding: str = UTF8
    labels: Sequence[str] = ()
    suffix: str = ""
    by_annotator: bool = False
    layer: str | None = None
