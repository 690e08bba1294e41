"""doccano's JSON lines, in the layouts that it exports.

`{"text": ..., "label": [[0, 5, "PER"]]}` is that of sequence labelling; with relations it is
`{"text": ..., "entities": [{"start_offset": 0, "end_offset": 5, "label": "PER"}]}`. Old versions
wrote `labels`, or `annotations` with a `label_name`. Under each key either form is read. All other
keys become the document's meta.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .docs import ID, META, NO_ENTITY, annotated_entities, data_of, has_annotation
from .jsonl import as_id, field, list_of, mention_of, read_records, text_of, write_json_lines
from .losses import WHITE_SPACE, meta_without
from .records import Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import FormatSettings

ENTITY_KEYS = ("label", "labels", "entities", "annotations")
LISTS_LEFT_OUT = ("relations", "comments", "Comments")
# Keys of Prodigy and Label Studio, whose objects may have a text and labels as well
OF_OTHER_TOOLS = {"spans", "answer", "_input_hash", "annotation_id"}


def read_doccano(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a file. One without any of the keys is not annotated."""

    def record_of(place: str, value: dict[str, Any]) -> Record:
        entities = [_mention(x) for key in ENTITY_KEYS for x in list_of(value, key)]
        for key in LISTS_LEFT_OUT:
            findings.notes[f"{key.lower()} left out"] += len(list_of(value, key))
        is_annotated = any(key in value for key in ENTITY_KEYS)
        findings.notes[NO_ENTITY] += is_annotated and not entities
        meta = value.get(META) or {}
        known = {settings.text_key, ID, META, *ENTITY_KEYS, *LISTS_LEFT_OUT}
        return Record(
            place,
            text_of(value, settings.text_key),
            id=as_id(value.get(ID)),
            meta={
                **(meta if isinstance(meta, dict) else {META: meta}),
                **{key: found for key, found in value.items() if key not in known},
            },
            entities=tuple(entities),
            is_annotated=is_annotated,
        )

    return read_records(path, settings.encoding, record_of)


def _mention(value: Any) -> RawMention:
    if isinstance(value, dict):
        offsets = field(value, "start_offset", "start"), field(value, "end_offset", "end")
        return RawMention((offsets,), field(value, "label_name", "label"))
    return mention_of(value)


def write_doccano(
    docs: Docs,
    path: Path,
    settings: FormatSettings,
    findings: Findings,
    with_relations: bool = False,
) -> None:
    """Write a line for each doc, in the layout with relations or that without."""

    def lines() -> Iterator[dict[str, Any]]:
        first = 0
        for doc in docs:
            entities = annotated_entities(doc, settings.docs)
            ents = [[ent.start_char, ent.end_char, ent.label_] for ent, _ in entities]
            known = data_of(doc)
            own = {settings.text_key, ID, *ENTITY_KEYS, *LISTS_LEFT_OUT}
            meta = meta_without(known.meta, own, findings)
            line: dict[str, Any] = {**meta, "id": known.id, settings.text_key: doc.text}
            if not has_annotation(doc, settings.docs):
                pass  # without the key it is not annotated
            elif with_relations:
                keys = ("id", "start_offset", "end_offset", "label")
                line["entities"] = [
                    dict(zip(keys, [first + i, *ent])) for i, ent in enumerate(ents)
                ]
                line["relations"] = []
                first += len(ents)
            else:
                line["label"] = ents
            yield {key: value for key, value in line.items() if value is not None}

    write_json_lines(path, lines())


def _detect(sample: FileSample) -> bool:
    if not sample.has(sample.settings.text_key) or OF_OTHER_TOOLS & sample.object.keys():
        return False
    lists = [sample.object[key] for key in ENTITY_KEYS if sample.has(key)]
    return bool(lists) and all(isinstance(x, list) and all(map(_is_mention, x)) for x in lists)


def _is_mention(value: Any) -> bool:
    """Tell whether a value is of either form of an entity."""
    if isinstance(value, dict):
        return "start_offset" in value or {"start", "end", "label"} <= value.keys()
    return isinstance(value, list) and len(value) == 3


write_relations = partial(write_doccano, with_relations=True)
_SUFFIXES = (".jsonl", ".json")
_KEPT = {ID, META, WHITE_SPACE}
# Both layouts are read under either name
_FORMAT = Format(
    "doccano",
    read_doccano,
    write_doccano,
    _SUFFIXES,
    _KEPT,
    holds_overlaps=True,
    detect=_detect,
)
register(_FORMAT)
register(_FORMAT._replace(name="doccano-relations", write=write_relations, detect=None))
