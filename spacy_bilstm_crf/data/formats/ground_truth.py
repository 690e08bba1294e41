"""Output manifests of SageMaker Ground Truth: the text and what a labelling job says of it.

`{"source": "Ada sang.", "job": {"annotations": {"entities": [{"startOffset": 0, "endOffset": 3,
"label": "PER"}]}}, "job-metadata": {...}}`. What a model has labelled, and no person has looked at,
are predictions. If several jobs have labelled a text, the last one counts.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...common.errors import UserError
from .docs import NO_ENTITY
from .jsonl import field, objects_of, read_records, text_of
from .records import Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings

SOURCE_TEXT, REFERENCE, OF_JOB = "source", "source-ref", "-metadata"
BY_MODEL = "documents that a model has labelled and nobody has looked at, as predictions"
EARLIER_JOBS = "annotations of earlier jobs left out"
CONFIDENCES = "confidences of what people have labelled left out"


def read_ground_truth(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the texts of a manifest."""
    return read_records(path, settings.encoding, partial(_record, findings=findings))


def _record(place: str, value: dict[str, Any], findings: Findings) -> Record:
    if SOURCE_TEXT not in value and REFERENCE in value:
        raise UserError(
            f"The text is in {value[REFERENCE]!r:.80}, not in the manifest. Copy it to "
            f"{SOURCE_TEXT!r}."
        )
    text = text_of(value, SOURCE_TEXT)
    jobs = [(key, job) for key, job in value.items() if _has_entities(job)]
    about = {key: _about(value, key) for key, _ in jobs}
    jobs.sort(key=lambda job: str(about[job[0]].get("creation-date", "")))
    findings.notes[EARLIER_JOBS] += max(len(jobs) - 1, 0)
    known = {SOURCE_TEXT, *(key for job, _ in jobs for key in (job, job + OF_JOB))}
    record = Record(
        place,
        text,
        meta={key: found for key, found in value.items() if key not in known},
        is_annotated=False,
    )
    if not jobs:
        _check_type(value)
        return record
    name, job = jobs[-1]
    found = objects_of(job["annotations"], "entities")
    scores = [one.get("confidence") for one in objects_of(about[name], "entities")]
    is_by_model = about[name].get("human-annotated") == "no"
    if not is_by_model:
        findings.notes[CONFIDENCES] += len(scores)
    if not is_by_model or len(scores) != len(found):
        scores = [None] * len(found)
    mentions = tuple(
        RawMention(((field(x, "startOffset"), field(x, "endOffset")),), field(x, "label"), score)
        for x, score in zip(found, scores)
    )
    if is_by_model:
        findings.notes[BY_MODEL] += 1
        return record._replace(predictions=mentions)
    findings.notes[NO_ENTITY] += not mentions
    return record._replace(entities=mentions, is_annotated=True)


def _has_entities(job: Any) -> bool:
    annotations = job.get("annotations") if isinstance(job, dict) else None
    return isinstance(annotations, dict) and isinstance(annotations.get("entities"), list)


def _about(value: dict[str, Any], job: str) -> dict[str, Any]:
    """What a manifest says of a job."""
    about = value.get(job + OF_JOB)
    return about if isinstance(about, dict) else {}


def _check_type(value: dict[str, Any]) -> None:
    """Check that no job of another type has labelled the text.

    Raises:
        UserError: If one has, and none of entities.
    """
    about = [_about(value, key.removesuffix(OF_JOB)) for key in value if key.endswith(OF_JOB)]
    types = [one["type"] for one in about if "type" in one and "failure-reason" not in one]
    if types:
        raise UserError(f"This was labelled by a job of {types[0]!r:.60}, not of entities.")


def _detect(sample: FileSample) -> bool:
    has_text = sample.has(SOURCE_TEXT) or sample.has(REFERENCE)
    return has_text and any(key.endswith(OF_JOB) for key in sample.object)


_SUFFIXES = (".manifest", ".jsonl", ".json")
register(Format("ground-truth", read_ground_truth, None, _SUFFIXES, detect=_detect))
