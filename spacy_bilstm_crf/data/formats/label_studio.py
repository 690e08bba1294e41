"""Label Studio's JSON: its full export, and JSON-MIN.

If a task has several annotations, the one that is marked as ground truth counts. If there is none,
what they agree on is annotated, and where they differ is a problem.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc, Span

from ...pipeline.confidence import confidence
from .docs import ANNOTATOR, ANSWER, ID, META, PREDICTIONS, has_annotation, predictions_of
from .jsonl import as_id, field, objects_of, read_objects, text_of
from .losses import PROBABILITIES
from .prodigy import IGNORE
from .records import Findings, RawMention, Record
from .registry import Docs, Format, register
from .settings import FormatSettings

# Names of the parts of a labelling interface, as Label Studio's own template for entities has them
FROM_NAME, TO_NAME = "label", "text"


def read_label_studio(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the tasks of a file."""
    for place, task in read_objects(path):
        data = task.get("data")
        if isinstance(data, dict):
            yield _of_task(place, task, data, settings.text_key, findings)
        else:
            yield _of_min(place, task, settings.text_key)


def _of_task(
    place: str, task: dict[str, Any], data: dict[str, Any], text_key: str, findings: Findings
) -> Record:
    record = Record(
        place,
        text_of(data, text_key, place),
        id=as_id(task.get("id")),
        meta={key: value for key, value in data.items() if key != text_key},
    )
    every = objects_of(task, "annotations", place)
    done = [one for one in every if not one.get("was_cancelled")]
    done = [one for one in done if one.get("ground_truth")][:1] or done
    found = [_mentions(one, place, text_key, findings) for one in done]
    last = objects_of(task, "predictions", place)[-1:]  # of the last model
    predictions = [m for one in last for m in _mentions(one, place, text_key, findings)]
    if len(found) > 1:
        record = _agreed(record, found)
    return record._replace(
        entities=record.entities if len(found) > 1 else tuple(found[0]) if found else (),
        predictions=tuple(predictions),
        is_annotated=bool(found),
        annotator=_annotator(done[0]) if len(done) == 1 else None,
        answer=IGNORE if every and not done else None,
    )


def _mentions(
    judgement: dict[str, Any], place: str, text_key: str, findings: Findings
) -> list[RawMention]:
    """The entities of an annotation or a prediction."""
    found = []
    results = objects_of(judgement, "result", place)
    names = {result.get("to_name") for result in results}
    for result in results:
        value = result.get("value")
        if result.get("type") != "labels" or not isinstance(value, dict):
            findings.notes[f"regions of type {result.get('type')!r:.40} left out"] += 1
        elif text_key in names and result.get("to_name") != text_key:
            findings.notes["regions of another text left out"] += 1
        else:
            found += _of_region(value, place, result.get("score"))
    return found


def _of_region(value: dict[str, Any], place: str, score: Any = None) -> list[RawMention]:
    """An entity for each label of a region; one without a label where it has none."""
    offsets = (field(value, "start", place), field(value, "end", place))
    labels = value.get("labels")
    every: list[Any] = (labels if isinstance(labels, list) else [labels]) or [None]
    return [RawMention((offsets,), label, score, value.get("text")) for label in every]


def _annotator(annotation: dict[str, Any]) -> str | None:
    who = annotation.get("completed_by")
    return as_id(who.get("email", who.get("id")) if isinstance(who, dict) else who)


def _agreed(record: Record, found: Sequence[Sequence[RawMention]]) -> Record:
    """What all annotations have, and apart from it what only some have."""
    # By what they look like: a damaged file may have anything in their place
    by_looks = [{repr(m[:2]): m for m in mentions} for mentions in found]
    every = {looks: m for of_one in by_looks for looks, m in of_one.items()}
    n_with = {looks: sum(looks in of_one for of_one in by_looks) for looks in every}
    return record._replace(
        entities=tuple(m for looks, m in every.items() if n_with[looks] == len(found)),
        disputed=tuple(
            m._replace(dispute=f"{n_with[looks]} of {len(found)} annotations have")
            for looks, m in every.items()
            if n_with[looks] < len(found)
        ),
    )


def _of_min(place: str, task: dict[str, Any], text_key: str) -> Record:
    """JSON-MIN has the data and the labels of one annotation side by side."""
    text = text_of(task, text_key, place)
    lists = {key: value for key, value in task.items() if _are_regions(value)}
    mentions = [m for values in lists.values() for v in values for m in _of_region(v, place)]
    known = {text_key, "id", "annotator", *lists}
    return Record(
        place,
        text,
        id=as_id(task.get("id")),
        annotator=as_id(task.get("annotator")),
        meta={key: value for key, value in task.items() if key not in known},
        entities=tuple(mentions),
        is_annotated=bool(lists) or "annotation_id" in task,
    )


def _are_regions(value: Any) -> bool:
    is_list = isinstance(value, list) and bool(value)
    return is_list and all(isinstance(v, dict) and {"start", "end"} <= set(v) for v in value)


def write_label_studio(
    docs: Docs, path: Path, settings: FormatSettings, findings: Findings
) -> None:
    """Write a list of tasks, with annotations, predictions or both."""
    tasks = [_task(doc, settings.text_key) for doc in docs]
    path.write_text(srsly.json_dumps(tasks, indent=1) + "\n", encoding="utf8")


def _task(doc: Doc, text_key: str) -> dict[str, Any]:
    predictions = predictions_of(doc)
    task: dict[str, Any] = {
        "id": doc.user_data.get(ID),
        "data": {**(doc.user_data.get(META) or {}), text_key: doc.text},
    }
    skipped = doc.user_data.get(ANSWER) == IGNORE
    if has_annotation(doc) or skipped:
        annotation = {
            "result": [_result(i, ent, confidence(ent)) for i, ent in enumerate(doc.ents)],
            "was_cancelled": skipped,
            "completed_by": doc.user_data.get(ANNOTATOR),
        }
        task["annotations"] = [{k: v for k, v in annotation.items() if v is not None}]
    if predictions:
        results = [_result(i, *scored) for i, scored in enumerate(predictions)]
        task["predictions"] = [{"result": results}]
    return {key: value for key, value in task.items() if value is not None}


def _result(number: int, span: Span, score: float | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": f"e{number}",
        "from_name": FROM_NAME,
        "to_name": TO_NAME,
        "type": "labels",
        "value": {
            "start": span.start_char,
            "end": span.end_char,
            "text": span.text,
            "labels": [span.label_],
        },
    }
    return result if score is None else {**result, "score": score}


_KEPT = {PREDICTIONS, PROBABILITIES, ID, META, ANNOTATOR}
_SUFFIXES = (".json", ".jsonl")
register(Format("label-studio", read_label_studio, write_label_studio, _SUFFIXES, keeps=_KEPT))
