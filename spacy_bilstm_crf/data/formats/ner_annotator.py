"""NER Annotator's JSON: `{"classes": [...], "annotations": [[text, {"entities": [...]}]]}`.

An entity is `[start, end, label]`, or has a history of who said what of it, of which the last entry
counts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...common.errors import UserError
from .docs import NO_ENTITY
from .jsonl import field, list_of, mention_of, read_values
from .records import Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings
from .spacy_v2 import ENTITIES_IN_PAIR, is_example

NOT_LOOKED_AT = "texts that nobody has looked at, and that are not in the file, left out"
# What the last entry of a history may say
REJECTED, NOT_JUDGED = {"rejected"}, {"predicted", "suggested", "candidate"}


def read_ner_annotator(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the texts of a file that were annotated."""

    def records_of(place: str, value: Any) -> Iterator[Record]:
        field(value, "annotations")
        for number, one in enumerate(list_of(value, "annotations"), start=1):
            if one is None:
                findings.notes[NOT_LOOKED_AT] += 1
            elif is_example(one):
                yield _record(f"{place}, annotation {number}", one, findings)
            else:
                raise UserError(f'{one!r:.80} is not of the form [text, {{"entities": [...]}}].')

    return read_values(path, settings.encoding, records_of, lambda value: isinstance(value, dict))


def _record(place: str, value: list[Any], findings: Findings) -> Record:
    text, annotation = value
    is_annotated = annotation.get(ENTITIES_IN_PAIR) is not None
    groups: dict[str, list[RawMention]] = {"entities": [], "incorrect": [], "predictions": []}
    for one in list_of(annotation, ENTITIES_IN_PAIR):
        mention, group = _judged(one)
        groups[group].append(mention)
    findings.notes[NO_ENTITY] += is_annotated and not any(groups.values())
    return Record(
        place,
        text,
        entities=tuple(groups["entities"]),
        incorrect=tuple(groups["incorrect"]),
        predictions=tuple(groups["predictions"]),
        unknown=tuple(m.offsets for m in groups["predictions"] if m.offsets),
        is_annotated=is_annotated,
    )


def _judged(value: Any) -> tuple[RawMention, str]:
    """An entity, and the field of a record that it belongs to."""
    history = value[-1] if isinstance(value, list) and len(value) in (3, 4) else None
    if not isinstance(history, list):
        return mention_of(value), "entities"
    last = history[-1] if history else None
    if len(value) == 4 and last is None:
        return mention_of(value[:3]), "entities"
    if not isinstance(last, list) or len(last) < 4:
        raise UserError(f"{last!r:.80} is not of the form [status, date, name, label].")
    status = str(last[0]).lower()
    group = "entities"
    if status in REJECTED or status in NOT_JUDGED:
        group = "incorrect" if status in REJECTED else "predictions"
    return mention_of([*value[:2], last[3]]), group


def _detect(sample: FileSample) -> bool:
    annotations = sample.object.get("annotations")
    return sample.has("classes") and isinstance(annotations, list)


register(Format("ner-annotator", read_ner_annotator, None, (".json", ".jsonl"), detect=_detect))
