"""brat's standoff: a folder of texts (.txt), and beside each its annotation (.ann).

Entities are read and written. Relations, events, attributes and notes are left out and counted. An
entity that continues on the next line has two fragments in the file and is one entity in a doc.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc

from ...common.errors import UserError
from .docs import ID, has_annotation
from .losses import NOTES
from .records import Findings, RawMention, Record
from .registry import Docs, Format, register
from .settings import FormatSettings

ENTITY_LINE = re.compile(r"(T\S*)\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)(?:\t(.*))?")
LINES_LEFT_OUT = {
    "R": "relations left out",
    "*": "relations left out",
    "E": "events left out",
    "A": "attributes left out",
    "M": "attributes left out",
    "N": "normalisations left out",
    "#": "notes left out",
}
BOM = "\ufeff"  # byte order mark
SAFE_PART = re.compile(r"[\w-][\w.-]*")  # of a path


def read_brat(folder: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the documents of a folder and its subfolders.

    A text without an .ann file is not annotated.

    Raises:
        UserError: If there are none, or naming the line that is no annotation.
    """
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise UserError(f"{folder} contains no .txt file. Each .ann file needs one with its text.")
    orphans = [path for path in folder.rglob("*.ann") if not path.with_suffix(".txt").exists()]
    findings.notes[".ann files without a text left out"] += len(orphans)
    for path in paths:
        with path.open(encoding="utf8", newline="") as file:  # line ends count as they are
            text = file.read()
        annotation = path.with_suffix(".ann")
        mentions = list(_mentions(annotation, findings)) if annotation.exists() else []
        if text.startswith(BOM):
            text = text.removeprefix(BOM)
            mentions = [mention.moved(lambda offset: offset - len(BOM)) for mention in mentions]
        yield Record(
            str(path),
            text,
            id=path.relative_to(folder).with_suffix("").as_posix(),
            entities=tuple(mentions),
            is_annotated=annotation.exists(),
        )


def _mentions(path: Path, findings: Findings) -> Iterator[RawMention]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if line[0] in LINES_LEFT_OUT:
            findings.notes[LINES_LEFT_OUT[line[0]]] += 1
            continue
        found = ENTITY_LINE.fullmatch(line)
        if found is None:
            raise UserError(
                f"{path}:{number} is {line!r:.80}, but an entity has the form T1<tab>LABEL START "
                f"END<tab>TEXT."
            )
        _, label, offsets, quote = found.groups()
        parts = [part.split() for part in offsets.split(";")]
        yield RawMention(tuple(sorted((int(a), int(b)) for a, b in parts)), label, None, quote)


def write_brat(docs: Docs, folder: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write the text and the annotation of each doc, under its id where that can be a path."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for number, doc in enumerate(docs):
        id_ = str(doc.user_data.get(ID, ""))
        name = _name(id_, number, taken)
        taken.add(name)
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(doc.text, encoding="utf8", newline="")
        findings.notes[NOTES[ID]] += bool(id_) and name != id_
        if has_annotation(doc):
            lines = list(_lines(doc, findings))
            path.with_suffix(".ann").write_text("".join(lines), encoding="utf8", newline="")


def _name(id_: str, number: int, taken: set[str]) -> str:
    """The id if it can be a path below the folder that no other doc has, or else a new name."""
    parts = id_.split("/")
    if all(SAFE_PART.fullmatch(part) for part in parts) and id_ not in taken:
        return id_
    name = f"doc-{number:06}"
    while name in taken:
        name += "-"
    return name


def _lines(doc: Doc, findings: Findings) -> Iterator[str]:
    for number, ent in enumerate(doc.ents, start=1):
        label = "_".join(ent.label_.split())
        findings.notes["labels with blanks written with _"] += label != ent.label_
        # One for each line that it is on
        parts = [
            (ent.start_char + part.start(), ent.start_char + part.end())
            for part in re.finditer(r"[^\r\n]+", ent.text)
        ]
        offsets = ";".join(f"{start} {end}" for start, end in parts)
        quote = " ".join(doc.text[start:end] for start, end in parts)
        yield f"T{number}\t{label} {offsets}\t{quote}\n"


# It keeps ids that can be a path
register(Format("brat", read_brat, write_brat, (".txt", ".ann"), keeps={ID}, is_folder=True))
