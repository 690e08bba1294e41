"""doccano's JSON lines, in the layouts that it exports.

`{"text": ..., "label": [[0, 5, "PER"]]}` is that of sequence labelling; with relations it is
`{"text": ..., "entities": [{"start_offset": 0, "end_offset": 5, "label": "PER"}]}`. Old versions
wrote `labels`, or `annotations` with a `label_name`. What else is there belongs to the document.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ...common.errors import UserError
from .docs import ID, META, DocSettings, is_annotated
from .jsonl import as_id, field, list_of, read_lines, text_of, write_lines
from .losses import note_losses
from .records import Findings, Mention, Record

TRIPLES = ("label", "labels")
OBJECTS = ("entities", "annotations")
OTHERS = ("relations", "comments", "Comments")


def read_doccano(path: Path, text_key: str, findings: Findings) -> Iterator[Record]:
    """The documents of a file. One without any of the keys is not annotated."""
    for place, value in read_lines(path):
        text = text_of(value, text_key, place)
        entities: list[Mention] = []
        for key in TRIPLES:
            entities += [_of_triple(x, place) for x in list_of(value, key, place)]
        for key in OBJECTS:
            entities += [_of_object(x, place) for x in list_of(value, key, place)]
        for key in OTHERS:
            findings.notes[f"{key.lower()} left out"] += len(list_of(value, key, place))
        meta = value.get(META) or {}
        known = {text_key, ID, META, *TRIPLES, *OBJECTS, *OTHERS}
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


def _of_triple(value: Any, place: str) -> Mention:
    if not isinstance(value, list) or len(value) != 3:
        raise UserError(f"{place}: {value!r:.80} is no [start, end, label].")
    return Mention(((value[0], value[1]),), value[2])


def _of_object(value: Any, place: str) -> Mention:
    start, end = field(value, "start_offset", place), field(value, "end_offset", place)
    label = value["label_name"] if "label_name" in value else field(value, "label", place)
    return Mention(((start, end),), label)


def write_doccano(
    docs: Iterable[Doc],
    path: Path,
    settings: DocSettings,
    text_key: str,
    findings: Findings,
    with_relations: bool = False,
) -> None:
    """Write a line for each doc, in either layout."""

    def lines() -> Iterator[dict[str, Any]]:
        first = 0
        for doc in docs:
            note_losses(doc, settings, findings, keeps=(ID, META))
            ents = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
            line: dict[str, Any] = dict(doc.user_data.get(META) or {})
            line.update({"id": doc.user_data.get(ID), text_key: doc.text})
            if not is_annotated(doc):
                pass  # without the key it is not annotated
            elif with_relations:
                keys = ("id", "start_offset", "end_offset", "label")
                line["entities"] = [
                    dict(zip(keys, (first + i, *ent))) for i, ent in enumerate(ents)
                ]
                line["relations"] = []
                first += len(ents)
            else:
                line["label"] = [list(ent) for ent in ents]
            yield {key: value for key, value in line.items() if value is not None}

    write_lines(path, lines())
