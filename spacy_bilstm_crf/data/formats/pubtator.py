"""PubTator: a title and an abstract, and the offsets of entities in both.

`1|t|TITLE`, `1|a|ABSTRACT`, and for each entity the document, start, end, text, label and ids, with
tabs between them. Offsets count the title, one character, and the abstract.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .docs import NO_ENTITY
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings

PART = re.compile(r"([^|\t]+)\|([ta])\|(.*)")
NUMBER = re.compile(r"\d{1,18}")
TITLE, ABSTRACT = "t", "a"
# Columns of an entity: its document, offsets, text and label; ids may follow
LEAST_COLUMNS = 5


def read_pubtator(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a file. A line that is no part of one is a problem."""
    with path.open(encoding=settings.encoding) as file:
        block: list[str] = []
        first = number = 0
        for number, line in enumerate(file, start=1):
            line = line.rstrip("\n")
            # A title starts a document, with or without an empty line in front of it
            part = PART.fullmatch(line)
            if block and (not line.strip() or (part and part[2] == TITLE)):
                yield _document(f"{path}:{first}", block, findings)
                block = []
            if line.strip():
                first = first if block else number
                block.append(line)
        if block:
            yield _document(f"{path}:{first}", block, findings)


def _document(place: str, lines: Sequence[str], findings: Findings) -> Record | Problem:
    found = [PART.fullmatch(line) for line in lines[:2]]
    parts = {part[2]: part for part in found if part}
    if TITLE not in parts or len({part[1] for part in parts.values()}) != 1:
        message = f"{lines[0]!r:.80} is not of the form 1|t|TITLE, with 1|a|ABSTRACT after it."
        return Problem(UNREADABLE, place, None, None, None, message)
    id_ = parts[TITLE][1]
    text = " ".join(parts[kind][3] for kind in (TITLE, ABSTRACT) if kind in parts)
    record = Record(place, text, id=id_)
    mentions, problems = [], []
    for line in lines[len(parts) :]:
        cells = line.split("\t")
        are_offsets = len(cells) > 2 and all(map(NUMBER.fullmatch, cells[1:3]))
        if cells[0] != id_ or (are_offsets and len(cells) < LEAST_COLUMNS):
            message = f"{line!r:.80} is no entity of document {id_}."
            problems.append(record.problem(UNREADABLE, None, message))
        elif not are_offsets:
            findings.notes["relations left out"] += 1
        else:
            offsets = int(cells[1]), int(cells[2])
            mentions.append(RawMention((offsets,), cells[4], quote=cells[3]))
            findings.notes["ids of entities left out"] += any(cells[LEAST_COLUMNS:])
    findings.notes[NO_ENTITY] += not mentions
    # Of a line that can't be read nobody knows what it annotates
    return record._replace(
        entities=tuple(mentions), is_annotated=not problems, problems=tuple(problems)
    )


def _detect(sample: FileSample) -> bool:
    part = PART.fullmatch(sample.lines[0]) if sample.lines else None
    return part is not None and part[2] == TITLE


_SUFFIXES = (".pubtator", ".txt")
register(Format("pubtator", read_pubtator, None, _SUFFIXES, detect=_detect, is_by_ending=False))
