"""Label Studio's JSON: its full export, and JSON-MIN; and its CSV and TSV, which hold the same.

If a task has several annotations, the one that is marked as ground truth counts. If there is none,
what they agree on is annotated, and where they differ is a problem. To compare annotators, each
annotation can be read as a document of its own. An annotation that has only
regions of other types, such as choices or those of an image, does not say where entities are.

An annotation with the choice "accept" or "reject" under the name "answer" judges its regions alone,
and nothing else of its text. If it has no region, it judges those that were suggested.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, Span

from ...common.errors import UserError
from ..csv_cells import with_long_cells
from .answers import joined_answers
from .docs import (
    ACCEPT,
    ANNOTATOR,
    ID,
    IGNORE,
    META,
    PREDICTIONS,
    REJECT,
    annotated_entities,
    data_of,
    has_annotation,
    predictions_of,
)
from .jsonl import as_id, field, json_text, objects_of, parsed_json, read_records, text_of
from .losses import PROBABILITIES, WHITE_SPACE, meta_without
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import FormatSettings

# Names of the parts of a labelling interface, as Label Studio's own template for entities has them
FROM_NAME, TO_NAME = "label", "text"
ANSWER_CONTROL = "answer"  # the name of the choice between ACCEPT and REJECT
SEPARATOR = re.compile(r"[\t,;]")  # of a table
LABELS = "labels"  # the type of regions that are parts of a text
OF_TASKS = ("annotations", "completions", "predictions")
# Types whose offsets count in what a browser shows, or in one part of a dialogue
ELSEWHERE = ("hypertextlabels", "paragraphlabels")


def read_label_studio(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the tasks of a file. If none of JSON-MIN has an entity, they are of another kind.

    Raises:
        UserError: If it is neither JSON nor a table.
    """
    minimal: set[str] = set()  # where tasks of JSON-MIN are, which don't say what was annotated

    def record_of(place: str, task: dict[str, Any]) -> Record | list[Record]:
        data = task.get("data")
        if isinstance(data, dict):
            is_split = settings.by_annotator or _is_question(task)
            of_task = _of_each_annotation if is_split else _of_task
            return of_task(place, task, data, settings.text_key, findings)
        minimal.add(place)
        return _of_min(place, task, settings.text_key)

    if _is_table(path, settings.encoding):
        made = list(_rows(path, settings.encoding, record_of))
    else:
        made = list(read_records(path, settings.encoding, record_of))
    found = [one for each in made for one in (each if isinstance(each, list) else [each])]
    has_entities = any(isinstance(one, Record) and one.entities for one in found)
    for one in found if settings.by_annotator else joined_answers(found):
        if isinstance(one, Record) and one.place in minimal and not has_entities:
            one = one._replace(is_annotated=False)
        yield one


def _of_each_annotation(
    place: str, task: dict[str, Any], data: dict[str, Any], text_key: str, findings: Findings
) -> list[Record]:
    """A record for each annotation of a task, those of all annotators."""
    key = "annotations" if task.get("annotations") else "completions"
    alone = [{**task, key: [one]} for one in objects_of(task, key)]
    return [_of_task(place, one, data, text_key, findings) for one in alone]


def _is_question(task: dict[str, Any]) -> bool:
    """Tell whether an annotator has accepted or rejected single entities."""
    done = objects_of(task, "annotations") or objects_of(task, "completions")
    return any(_answer(one) is not None for one in done)


def _answer(annotation: dict[str, Any]) -> str | None:
    """Return what an annotator has answered to a question about single entities, if anything."""
    for result in objects_of(annotation, "result"):
        value = result.get("value")
        if result.get("from_name") == ANSWER_CONTROL and isinstance(value, dict):
            for answer in (ACCEPT, REJECT):
                if value.get("choices") == [answer]:
                    return answer
    return None


def _is_table(path: Path, encoding: str) -> bool:
    """Tell whether a file begins like the names of columns, and not like JSON."""
    with path.open(encoding=encoding) as file:
        first = next((line for line in file if line.strip()), "{")
    return first.lstrip()[0] not in "{[" and SEPARATOR.search(first) is not None


def _rows(
    path: Path,
    encoding: str,
    record_of: Callable[[str, dict[str, Any]], Record | list[Record]],
) -> Iterator[Record | list[Record] | Problem]:
    """Make records of the rows of a table, of which cells may hold regions as JSON."""
    with path.open(encoding=encoding, newline="") as file:  # line ends in a cell count as they are
        text = file.read()
    names = next(line for line in text.splitlines() if line.strip())
    separator = max("\t,;", key=names.count)
    reader = csv.DictReader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in with_long_cells(reader):
            place = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{place}: This row has more or fewer cells than the first.")
            try:
                task = {name: _cell(cell) for name, cell in row.items() if cell}
                yield record_of(place, task)
            except UserError as error:
                yield Problem(UNREADABLE, place, None, None, None, str(error))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: This is no table: {error}.") from error


def _cell(cell: str) -> Any:
    """The regions of a cell, or what else it has as it is."""
    with suppress(UserError):
        value = parsed_json(cell) if cell.startswith("[") else None
        if _are_regions(value):
            return value
    return cell


def _of_task(
    place: str, task: dict[str, Any], data: dict[str, Any], text_key: str, findings: Findings
) -> Record:
    record = Record(
        place,
        text_of(data, text_key),
        id=as_id(task.get("id")),
        meta={key: value for key, value in data.items() if key != text_key},
    )
    # Old versions had completions
    every = objects_of(task, "annotations") or objects_of(task, "completions")
    done = [one for one in every if not one.get("was_cancelled")]
    done = [one for one in done if one.get("ground_truth")][:1] or done
    every_found = [_mentions(one, text_key, findings) for one in done]
    found = [m for one, m in zip(done, every_found) if _is_of_entities(objects_of(one, "result"))]
    last = objects_of(task, "predictions")[-1:]  # of the last model
    predictions = [m for one in last for m in _mentions(one, text_key, findings)]
    problems = [_elsewhere(record, r) for one in done for r in objects_of(one, "result")]
    answer = _answer(done[0]) if len(done) == 1 else None
    if answer is not None:
        record = record._replace(
            annotator=_annotator(done[0]),
            problems=tuple(problem for problem in problems if problem is not None),
        )
        return _judged(record, answer, every_found[0] or predictions)
    if len(found) > 1:
        record = record.agreed(found)
    return record._replace(
        entities=record.entities if len(found) > 1 else tuple(found[0]) if found else (),
        predictions=tuple(predictions),
        is_annotated=bool(found) and not any(problems),
        annotator=_annotator(done[0]) if len(done) == 1 else None,
        answer=IGNORE if every and not done else None,
        problems=tuple(problem for problem in problems if problem is not None),
    )


def _judged(record: Record, answer: str, about: Sequence[RawMention]) -> Record:
    """Return a record of which single entities are accepted or rejected, and no more is known."""
    return record._replace(
        entities=tuple(about) if answer == ACCEPT else (),
        incorrect=tuple(about) if answer == REJECT else (),
        is_annotated=False,
        answer=answer,
    )


def _is_of_entities(results: Sequence[dict[str, Any]]) -> bool:
    """Tell whether an annotation is of entities, or of nothing, and not a text's choices, say."""
    return not results or any(result.get("type") == LABELS for result in results)


def _elsewhere(record: Record, result: dict[str, Any]) -> Problem | None:
    """The problem with an entity whose place in the text nobody knows."""
    kind, value = result.get("type"), result.get("value")
    if kind not in ELSEWHERE:
        return None
    quote = value.get("text") if isinstance(value, dict) else None
    message = f"The offsets of {kind} {quote!r:.60} count in the page that was shown, not the text."
    return record.problem("not in the text", None, message)


def _mentions(judgement: dict[str, Any], text_key: str, findings: Findings) -> list[RawMention]:
    """The entities of an annotation or a prediction."""
    found = []
    results = objects_of(judgement, "result")
    is_named = any(_is_of_text(result, text_key) for result in results)
    for result in results:
        value, kind = result.get("value"), result.get("type")
        if kind != LABELS or not isinstance(value, dict):
            is_known = kind in ELSEWHERE or result.get("from_name") == ANSWER_CONTROL
            findings.notes[f"regions of type {kind!r:.40} left out"] += not is_known
        elif is_named and not _is_of_text(result, text_key):
            findings.notes["regions of another text left out"] += 1
        else:
            found += _of_region(value, result.get("score"))
    return found


def _is_of_text(result: dict[str, Any], text_key: str) -> bool:
    names = result.get("to_name")
    return text_key in names if isinstance(names, list) else names == text_key


def _of_region(value: dict[str, Any], score: Any = None) -> list[RawMention]:
    """An entity for each label of a region; one without a label where it has none."""
    offsets = (field(value, "start"), field(value, "end"))
    labels = value.get(LABELS)
    every: list[Any] = (labels if isinstance(labels, list) else [labels]) or [None]
    return [RawMention((offsets,), label, score, value.get("text")) for label in every]


def _annotator(annotation: dict[str, Any]) -> str | None:
    who = annotation.get("completed_by")
    return as_id(who.get("email", who.get("id")) if isinstance(who, dict) else who)


def _of_min(place: str, task: dict[str, Any], text_key: str) -> Record:
    """JSON-MIN has the data and the labels of one annotation side by side."""
    text = text_of(task, text_key)
    lists = {key: value for key, value in task.items() if _are_regions(value)}
    mentions = [m for values in lists.values() for v in values for m in _of_region(v)]
    answer = task.get(ANSWER_CONTROL) if "annotation_id" in task else None
    known = {text_key, "id", "annotator", *lists}
    record = Record(
        place,
        text,
        id=as_id(task.get("id")),
        annotator=as_id(task.get("annotator")),
        meta={key: value for key, value in task.items() if key not in known},
    )
    if answer in (ACCEPT, REJECT):
        return _judged(record, answer, mentions)
    return record._replace(
        entities=tuple(mentions), is_annotated=bool(lists) or "annotation_id" in task
    )


def _are_regions(value: Any) -> bool:
    is_list = isinstance(value, list) and bool(value)
    return is_list and all(isinstance(v, dict) and {"start", "end"} <= set(v) for v in value)


def write_label_studio(
    docs: Docs, path: Path, settings: FormatSettings, findings: Findings
) -> None:
    """Write a list of tasks, with annotations, predictions or both."""
    tasks = [_task(doc, settings, findings) for doc in docs]
    path.write_text(json_text(tasks, indent=1) + "\n", encoding="utf8")


def _task(doc: Doc, settings: FormatSettings, findings: Findings) -> dict[str, Any]:
    predictions, about = predictions_of(doc), data_of(doc)
    meta = meta_without(about.meta, {settings.text_key}, findings)
    task: dict[str, Any] = {"id": about.id, "data": {**meta, settings.text_key: doc.text}}
    skipped = about.answer == IGNORE
    if has_annotation(doc, settings.docs) or skipped:
        entities = annotated_entities(doc, settings.docs)
        annotation = {
            "result": [_result(i, *scored) for i, scored in enumerate(entities)],
            "was_cancelled": skipped,
            "completed_by": about.annotator,
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
        "type": LABELS,
        "value": {
            "start": span.start_char,
            "end": span.end_char,
            "text": span.text,
            LABELS: [span.label_],
        },
    }
    return result if score is None else {**result, "score": score}


def _detect(sample: FileSample) -> bool:
    names = re.split(SEPARATOR, sample.lines[0]) if sample.lines else []
    if {sample.settings.text_key, "annotation_id"} <= {name.strip('" ') for name in names}:
        return True  # a table
    if isinstance(sample.object.get("data"), dict):
        return any(sample.has(key) for key in OF_TASKS)
    if not sample.has(sample.settings.text_key):  # JSON-MIN
        return False
    regions = [value[0] for value in sample.object.values() if _are_regions(value)]
    return sample.has("annotation_id") or any(LABELS in region for region in regions)


_KEPT = {PREDICTIONS, PROBABILITIES, ID, META, ANNOTATOR, WHITE_SPACE}
_TABLES = (".csv", ".tsv")
_SUFFIXES = (".json", ".jsonl", *_TABLES)
register(
    Format(
        "label-studio",
        read_label_studio,
        write_label_studio,
        _SUFFIXES,
        keeps=_KEPT,
        holds_overlaps=True,
        detect=_detect,
        only_read=_TABLES,
    )
)
