"""BioC, in XML or JSON: documents that consist of passages, with annotation in each of them.

The text of a document is that of its passages, with a blank between them. Offsets count from the
beginning of the document as the file has it; here they count from that of their passage.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...common.errors import UserError, check_installed, reported_errors
from .docs import NO_ENTITY
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings

TYPE_OF_ANNOTATION = "type"  # the key of an annotation's label
BYTES_OF_START = 4096


class Passage(NamedTuple):
    """A passage or a sentence with its text.

    Attributes:
        offset: Where it begins in the file's document.
        text: Its text.
        start: Where it begins in the text of the record.
    """

    offset: int
    text: str
    start: int


def read_bioc(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a collection.

    Raises:
        UserError: If it is none, or bioc is not installed.
    """
    check_installed("bioc", "bioc")
    from bioc import biocjson, biocxml

    with path.open("rb") as file:
        is_xml = file.read(BYTES_OF_START).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    what = f"{path} is no collection of BioC"
    with path.open(encoding=settings.encoding) as file, reported_errors(what, Exception):
        collection = biocxml.load(file) if is_xml else biocjson.load(file)
    for number, document in enumerate(collection.documents, start=1):
        place = f"{path}, document {document.id or number}"
        try:
            yield _record(place, document, findings)
        except UserError as error:
            yield Problem(UNREADABLE, place, document.id, None, None, str(error))


def _record(place: str, document: Any, findings: Findings) -> Record:
    parts: list[str] = []
    passages: list[Passage] = []
    mentions: list[RawMention] = []
    length = 0
    for passage in document.passages:
        units = [passage] if passage.text else passage.sentences
        of_passage = []
        for unit in units:
            if not isinstance(unit.text, str):
                raise UserError(f"A passage has {unit.text!r:.60} in the place of its text.")
            of_passage.append(Passage(int(unit.offset), unit.text, length))
            parts.append(unit.text)
            length += len(unit.text) + 1
        passages += of_passage
        # Sentences may have annotation of their own, beside the text of their passage
        of_sentences = [one for sentence in passage.sentences for one in sentence.annotations]
        for one in [*passage.annotations, *of_sentences]:
            mentions.append(_mention(one, of_passage, findings))
    mentions += [_mention(one, passages, findings) for one in document.annotations]
    findings.notes["relations left out"] += sum(
        len(one.relations) for passage in document.passages for one in (passage, *passage.sentences)
    ) + len(document.relations)
    findings.notes[NO_ENTITY] += not mentions
    text = " ".join(parts)
    return Record(
        place,
        text,
        id=document.id or None,
        meta={key: str(value) for key, value in document.infons.items()},
        entities=tuple(mentions),
    )


def _mention(annotation: Any, passages: list[Passage], findings: Findings) -> RawMention:
    """An entity, in the passage in which it begins."""
    lengths = [(int(one.offset), int(one.length)) for one in annotation.locations]
    places = sorted((offset, offset + length) for offset, length in lengths)
    if not places:
        raise UserError(f"The annotation {annotation.id} of {annotation.text!r:.60} has no place.")
    start = places[0][0]
    inside = [one for one in passages if one.offset <= start <= one.offset + len(one.text)]
    if not inside:
        raise UserError(f"The annotation of {annotation.text!r:.60} is in no passage.")
    moved = inside[-1].start - inside[-1].offset
    findings.notes["other values of annotations left out"] += len(annotation.infons) > 1
    return RawMention(
        tuple((first + moved, last + moved) for first, last in places),
        annotation.infons.get(TYPE_OF_ANNOTATION),
        quote=annotation.text or None,
    )


def _detect(sample: FileSample) -> bool:
    start = sample.text[:BYTES_OF_START]
    is_xml = start.lstrip().startswith("<") and "<collection>" in start and "<document>" in start
    documents = sample.object.get("documents")
    first = documents[0] if isinstance(documents, list) and documents else None
    return is_xml or (isinstance(first, dict) and "passages" in first)


register(Format("bioc", read_bioc, None, (".xml", ".json"), detect=_detect, is_by_ending=False))
