"""brat's standoff: a folder of texts (.txt), and beside each its annotation (.ann).

Entities are read and written. Relations, events, attributes and notes are left out and counted. An
entity that continues on the next line has two fragments in the file and is one entity in a doc.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc

from ...common.errors import UserError
from ...common.files import BOM, files_below
from .docs import ID, NO_ENTITY, annotated_entities, data_of, has_annotation
from .losses import NOTES, WHITE_SPACE, label_without_blanks
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import UTF8, DocSettings, FormatSettings

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
SAFE_PART = re.compile(r"[\w-][\w.-]*")  # of a path
MOST_OF_PATH = 200  # of a path; file systems take 255 for each part of it


def read_brat(folder: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the documents of a folder and its subfolders.

    A text without an .ann file is not annotated. A line that is no annotation is a problem.

    Raises:
        UserError: If there are none.
    """
    below = files_below(folder)
    paths = [path for path in below if path.suffix.lower() == ".txt"]
    if not paths:
        raise UserError(f"{folder} contains no .txt file. Each .ann file needs one with its text.")
    annotations = {path.with_suffix(""): path for path in below if path.suffix.lower() == ".ann"}
    texts = {path.with_suffix("") for path in paths}
    findings.notes[".ann files without a text left out"] += len(annotations.keys() - texts)
    # A byte order mark is a character that is counted
    encoding = "utf8" if settings.encoding == UTF8 else settings.encoding
    for path in paths:
        with path.open(encoding=encoding, newline="") as file:  # line ends count as they are
            text = file.read()
        annotation = annotations.get(path.with_suffix(""))
        mentions: list[RawMention] = []
        problems: list[Problem] = []
        if annotation is not None:
            content = annotation.read_text(encoding=settings.encoding)
            mentions, problems = _mentions(annotation, content, findings)
            findings.notes[NO_ENTITY] += not content.strip()
        if text.startswith(BOM):
            text = text.removeprefix(BOM)
            mentions = [mention.moved(lambda offset: offset - len(BOM)) for mention in mentions]
        yield Record(
            str(path),
            text,
            id=path.relative_to(folder).with_suffix("").as_posix(),
            entities=tuple(mentions),
            # Of a line that can't be read nobody knows what it annotates
            is_annotated=annotation is not None and not problems,
            problems=tuple(problems),
        )


def _mentions(
    path: Path, content: str, findings: Findings
) -> tuple[list[RawMention], list[Problem]]:
    """The entities of an .ann file, and its lines that are no annotation."""
    mentions, problems = [], []
    for number, line in enumerate(content.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if line[0] in LINES_LEFT_OUT:
            findings.notes[LINES_LEFT_OUT[line[0]]] += 1
            continue
        found = ENTITY_LINE.fullmatch(line)
        if found is None:
            message = f"{line!r:.80} is not of the form T1<tab>LABEL START END<tab>TEXT."
            problems.append(Problem(UNREADABLE, f"{path}:{number}", None, None, None, message))
            continue
        _, label, offsets, quote = found.groups()
        parts = [part.split() for part in offsets.split(";")]
        fragments = tuple(sorted((int(a), int(b)) for a, b in parts))
        mentions.append(RawMention(fragments, label, None, quote))
    return mentions, problems


def write_brat(docs: Docs, folder: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write the text and the annotation of each doc, under its id where that can be a path."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for number, doc in enumerate(docs):
        id_ = data_of(doc).id or ""
        name = _name(id_, number, taken)
        taken.add(name.casefold())  # as some file systems do
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(doc.text, encoding="utf8", newline="")
        findings.notes[NOTES[ID]] += bool(id_) and name != id_
        if has_annotation(doc, settings.docs):
            lines = list(_lines(doc, settings.docs, findings))
            path.with_suffix(".ann").write_text("".join(lines), encoding="utf8", newline="")


def _name(id_: str, number: int, taken: set[str]) -> str:
    """The id if it can be a path below the folder that no other doc has, or else a new name."""
    parts = id_.split("/")
    is_path = all(SAFE_PART.fullmatch(part) for part in parts)
    # A folder must not have the name of a file
    is_file = any(part.casefold().endswith((".txt", ".ann")) for part in parts)
    is_short = len(id_.encode()) <= MOST_OF_PATH
    if is_path and not is_file and is_short and id_.casefold() not in taken:
        return id_
    name = f"doc-{number:06}"
    while name in taken:
        name += "-"
    return name


def _lines(doc: Doc, settings: DocSettings, findings: Findings) -> Iterator[str]:
    for number, (ent, _) in enumerate(annotated_entities(doc, settings), start=1):
        label = label_without_blanks(ent.label_, findings)
        # One for each line that it is on
        parts = [
            (ent.start_char + part.start(), ent.start_char + part.end())
            for part in re.finditer(r"[^\r\n]+", ent.text)
        ]
        offsets = ";".join(f"{start} {end}" for start, end in parts)
        quote = " ".join(doc.text[start:end] for start, end in parts)
        yield f"T{number}\t{label} {offsets}\t{quote}\n"


def _detect(sample: FileSample) -> bool:
    is_annotation = any(ENTITY_LINE.match(line) for line in sample.lines[:1])
    return is_annotation or sample.endings >= {".txt", ".ann"}


_KEPT = {ID, WHITE_SPACE}  # of ids those that can be a path
_SUFFIXES = (".txt", ".ann")
register(
    Format(
        "brat",
        read_brat,
        write_brat,
        _SUFFIXES,
        _KEPT,
        is_folder=True,
        holds_overlaps=True,
        detect=_detect,
    )
)
