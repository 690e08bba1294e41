"""Dataturks' JSON lines, whose offsets include the last character of an entity.

`{"content": "Ada sang.", "annotation": [{"label": ["PER"], "points": [{"start": 0, "end": 2,
"text": "Ada"}]}]}`. Some files were written by other programs, with the end after the last
character: where the text that is quoted shows it, they are read so.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .counting import fits
from .docs import NO_ENTITY
from .jsonl import as_id, field, objects_of, read_records, text_of
from .records import Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings

CONTENT = "content"
AFTER = "documents whose ends are after the last character of entities, as the quoted text shows"


def read_dataturks(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a file. One without a list of annotations is not annotated."""
    return read_records(path, settings.encoding, partial(_record, findings=findings))


def _record(place: str, value: dict[str, Any], findings: Findings) -> Record:
    text = text_of(value, CONTENT)
    is_annotated = value.get("annotation") is not None
    mentions = [m for one in objects_of(value, "annotation") for m in _mentions(one)]
    findings.notes[NO_ENTITY] += is_annotated and not mentions
    inclusive = [_with_last_character(mention) for mention in mentions]
    is_after = _n_fitting(text, mentions) > _n_fitting(text, inclusive)
    findings.notes[AFTER] += is_after
    metadata = value.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    return Record(
        place,
        text,
        annotator=as_id(about.get("last_updated_by")),
        meta={k: v for k, v in value.items() if k not in (CONTENT, "annotation") and v is not None},
        entities=tuple(mentions if is_after else inclusive),
        is_annotated=is_annotated,
    )


def _mentions(annotation: dict[str, Any]) -> list[RawMention]:
    """The mentions of each label in each place."""
    labels = annotation.get("label")
    every: list[Any] = (labels if isinstance(labels, list) else [labels]) or [None]
    return [
        RawMention(((field(p, "start"), field(p, "end")),), label, quote=p.get("text"))
        for p in objects_of(annotation, "points")
        for label in every
    ]


def _n_fitting(text: str, mentions: list[RawMention]) -> tuple[int, int]:
    """How many mentions cover what is quoted of them, and how many with the same blanks."""
    quoted = [mention for mention in mentions if mention.quote is not None and mention.offsets]
    covered = [text[slice(*mention.fragments[0])] for mention in quoted]
    n_exact = sum(one == mention.quote for one, mention in zip(covered, quoted))
    return sum(fits(text, mention) for mention in quoted), n_exact


def _with_last_character(mention: RawMention) -> RawMention:
    if mention.offsets is None:
        return mention
    start, end = mention.offsets
    return mention._replace(fragments=((start, end + 1),))


def _detect(sample: FileSample) -> bool:
    return sample.has(CONTENT, "annotation")


register(Format("dataturks", read_dataturks, None, (".json", ".jsonl"), detect=_detect))
