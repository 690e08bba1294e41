"""The JSON of presidio-evaluator: a list of samples with their spans.

`{"full_text": "Ada sang.", "spans": [{"entity_type": "PERSON", "entity_value": "Ada",
"start_position": 0, "end_position": 3}]}`. The template and the metadata of a sample become the
document's meta.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, Span

from .docs import ID, META, NO_ENTITY, annotated_entities, data_of, has_annotation
from .jsonl import as_id, field, json_text, objects_of, read_records, text_of
from .losses import WHITE_SPACE
from .records import Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import DocSettings, FormatSettings

FULL_TEXT, MASKED, SPANS, OF_SAMPLE = "full_text", "masked", "spans", "metadata"
SAMPLE_ID, TEMPLATE_ID = "sample_id", "template_id"
# What Presidio makes of the text and the spans, and of what it is made again
MADE = (MASKED, "tokens", "tags", "start_indices")


def read_presidio(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the samples of a file. One without a list of spans is not annotated."""

    def record_of(place: str, value: dict[str, Any]) -> Record:
        entities = [_mention(span) for span in objects_of(value, SPANS)]
        is_annotated = value.get(SPANS) is not None
        findings.notes[NO_ENTITY] += is_annotated and not entities
        metadata = value.get(OF_SAMPLE) or {}
        known = {FULL_TEXT, SPANS, OF_SAMPLE, SAMPLE_ID, *MADE}
        return Record(
            place,
            text_of(value, FULL_TEXT),
            id=as_id(value.get(SAMPLE_ID)),
            meta={
                **(metadata if isinstance(metadata, dict) else {OF_SAMPLE: metadata}),
                **{k: v for k, v in value.items() if k not in known and v is not None},
            },
            entities=tuple(entities),
            is_annotated=is_annotated,
        )

    return read_records(path, settings.encoding, record_of)


def _mention(span: dict[str, Any]) -> RawMention:
    offsets = field(span, "start_position"), field(span, "end_position")
    return RawMention((offsets,), field(span, "entity_type"), quote=span.get("entity_value"))


def write_presidio(docs: Docs, path: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write a list of samples."""
    samples = [_sample(doc, settings.docs) for doc in docs]
    path.write_text(json_text(samples, indent=1) + "\n", encoding="utf8")


def _sample(doc: Doc, settings: DocSettings) -> dict[str, Any]:
    about = data_of(doc)
    meta = dict(about.meta)
    sample: dict[str, Any] = {FULL_TEXT: doc.text}
    if has_annotation(doc, settings):
        spans = [span for span, _ in annotated_entities(doc, settings)]
        sample |= {MASKED: _masked(doc.text, spans), SPANS: [_span(span) for span in spans]}
    sample |= {TEMPLATE_ID: meta.pop(TEMPLATE_ID, None), OF_SAMPLE: meta or None}
    return sample if about.id is None else {**sample, SAMPLE_ID: about.id}


def _span(span: Span) -> dict[str, Any]:
    return {
        "entity_type": span.label_,
        "entity_value": span.text,
        "start_position": span.start_char,
        "end_position": span.end_char,
    }


def _masked(text: str, spans: Sequence[Span]) -> str:
    """The text with labels in the place of entities; of those that overlap, the first."""
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: (span.start_char, -span.end_char)):
        if span.start_char >= end:
            parts += [text[end : span.start_char], "{{" + span.label_ + "}}"]
            end = span.end_char
    return "".join([*parts, text[end:]])


def _detect(sample: FileSample) -> bool:
    return sample.has(FULL_TEXT) and (sample.has(SPANS) or sample.has(TEMPLATE_ID))


_KEPT = {ID, META, WHITE_SPACE}
_SUFFIXES = (".json", ".jsonl")
register(
    Format(
        "presidio",
        read_presidio,
        write_presidio,
        _SUFFIXES,
        _KEPT,
        holds_overlaps=True,
        detect=_detect,
    )
)
