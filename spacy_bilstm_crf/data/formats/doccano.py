"""doccano's JSON lines, in the layouts that it exports.

`{"text": ..., "label": [[0, 5, "PER"]]}` is that of sequence labelling; with relations it is
`{"text": ..., "entities": [{"start_offset": 0, "end_offset": 5, "label": "PER"}]}`. Old versions
wrote `labels`, or `annotations` with a `label_name`. All other keys become the document's meta.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import srsly

from ...common.errors import UserError
from .docs import ID, META, has_annotation
from .jsonl import as_id, field, list_of, read_lines, text_of
from .records import Findings, RawMention, Record
from .registry import Docs, Format, register
from .settings import FormatSettings

TRIPLES = ("label", "labels")
OBJECTS = ("entities", "annotations")
LISTS_LEFT_OUT = ("relations", "comments", "Comments")


def read_doccano(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the documents of a file. One without any of the keys is not annotated."""
    for place, value in read_lines(path):
        text = text_of(value, settings.text_key, place)
        entities: list[RawMention] = []
        for key in TRIPLES:
            entities += [_of_triple(x, place) for x in list_of(value, key, place)]
        for key in OBJECTS:
            entities += [_of_object(x, place) for x in list_of(value, key, place)]
        for key in LISTS_LEFT_OUT:
            findings.notes[f"{key.lower()} left out"] += len(list_of(value, key, place))
        meta = value.get(META) or {}
        known = {settings.text_key, ID, META, *TRIPLES, *OBJECTS, *LISTS_LEFT_OUT}
        yield Record(
            place,
            text,
            id=as_id(value.get(ID)),
            meta={
                **(meta if isinstance(meta, dict) else {META: meta}),
                **{key: found for key, found in value.items() if key not in known},
            },
            entities=tuple(entities),
            is_annotated=any(key in value for key in (*TRIPLES, *OBJECTS)),
        )


def _of_triple(value: Any, place: str) -> RawMention:
    if not isinstance(value, list) or len(value) != 3:
        raise UserError(f"{place}: {value!r:.80} is not of the form [start, end, label].")
    return RawMention(((value[0], value[1]),), value[2])


def _of_object(value: Any, place: str) -> RawMention:
    start, end = field(value, "start_offset", place), field(value, "end_offset", place)
    label = value["label_name"] if "label_name" in value else field(value, "label", place)
    return RawMention(((start, end),), label)


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
            ents = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
            line: dict[str, Any] = dict(doc.user_data.get(META) or {})
            line.update({"id": doc.user_data.get(ID), settings.text_key: doc.text})
            if not has_annotation(doc):
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

    srsly.write_jsonl(path, lines())


write_relations = partial(write_doccano, with_relations=True)
# Both layouts are read under either name
register(Format("doccano", read_doccano, write_doccano, (".jsonl",), keeps={ID, META}))
register(Format("doccano-relations", read_doccano, write_relations, (".jsonl",), keeps={ID, META}))
