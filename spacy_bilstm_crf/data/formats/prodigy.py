"""Prodigy's JSON lines.

An accepted task is annotated, if it is one of entities whose spans a person has marked. Of a task
that asks about given spans alone nothing else is known. One that was ignored or not answered yet,
or that is about something else than entities, is not annotated. A rejected span is known to be no
entity, if it is that of a binary task or has an answer of its own.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from spacy.tokens import Doc, Span

from ...common.errors import UserError
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
    known_tokens,
    predictions_of,
)
from .jsonl import as_id, field, list_of, objects_of, read_records, text_of, write_json_lines
from .losses import INCORRECT_SPANS, PROBABILITIES, UNKNOWN_TOKENS, WHITE_SPACE
from .records import Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import FormatSettings

# Views in which entities are marked, and others in which spans are shown or marked
MANUAL = ("ner_manual", "spans_manual")
WITH_SPANS = (*MANUAL, "ner", "spans", "relations", "blocks")
# Keys of a task of another kind, such as text classification or a choice
OF_OTHER_TASKS = {"label", "options", "accept"}
# Keys of a span, and of a task's meta, where a model or a pattern suggests it for a yes or no
SUGGESTED = {"rank", "source", "input_hash", "priority", "pattern"}
META_OF_SUGGESTED = {"score", "pattern"}


def read_prodigy(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the tasks of a file. Those that ask about entities of the same text are one document."""

    def record_of(place: str, task: dict[str, Any]) -> Record:
        text = text_of(task, settings.text_key)
        words, spaces = _tokens(list_of(task, "tokens"), text)
        meta = task.get("meta") or {}
        findings.notes["relations left out"] += len(list_of(task, "relations"))
        record = Record(
            place,
            text,
            words,
            spaces,
            id=as_id(task.get("id")),
            answer=_answer(task),
            annotator=as_id(task.get("_annotator_id") or task.get("_session_id")),
            meta=meta if isinstance(meta, dict) else {META: meta},
        )
        spans = objects_of(task, "spans")
        if not _is_of_entities(task):
            findings.notes["tasks of another kind than entities, read as not annotated"] += 1
            return record._replace(is_annotated=False)
        # Whether an annotator drew the spans, so that the answer is about the whole task
        is_manual = task.get("_is_binary") is False or task.get("_view_id") in MANUAL
        is_binary = not is_manual and _asks_about_spans(task, spans, record.meta)
        return _judged(record, spans, is_binary, is_manual)

    found = read_records(path, settings.encoding, record_of)
    return found if settings.by_annotator else joined_answers(found)


def _is_of_entities(task: dict[str, Any]) -> bool:
    """Tell whether a task is about entities, and not a text's categories, say."""
    if "_view_id" in task:
        return task["_view_id"] in WITH_SPANS
    if "_is_binary" in task:
        return True
    return task.get("spans") is not None and not OF_OTHER_TASKS & task.keys()


def _asks_about_spans(
    task: dict[str, Any], spans: Sequence[dict[str, Any]], meta: dict[str, Any]
) -> bool:
    """Tell whether a task asks about its spans alone: what else there is nobody was asked."""
    if "_is_binary" in task or "_view_id" in task:
        return bool(task.get("_is_binary", True))
    # Old versions say neither
    return any(SUGGESTED & span.keys() for span in spans) or bool(META_OF_SUGGESTED & meta.keys())


def _answer(value: dict[str, Any]) -> str | None:
    """Return what an annotator said of a task or a span; None if nothing.

    Raises:
        UserError: If it is no answer of Prodigy.
    """
    answer = value.get("answer")
    if answer not in (ACCEPT, REJECT, IGNORE, None):
        raise UserError(f"The answer is {answer!r:.80}, not accept, reject or ignore.")
    return cast(str | None, answer)


def _tokens(tokens: list[Any], text: str) -> tuple[list[str] | None, list[bool] | None]:
    """The task's own tokens, if they make up its text."""
    try:
        starts = [token["start"] for token in tokens]
        ends = [token["end"] for token in tokens]
        words = [text[start:end] for start, end in zip(starts, ends)]
        gaps = [text[end:start] for end, start in zip(ends, [*starts[1:], len(text)])]
    except (TypeError, KeyError):  # not tokens, or their offsets are no whole numbers
        return None, None
    spaces = [gap == " " for gap in gaps]
    covered = "".join(word + " " * space for word, space in zip(words, spaces))
    return (words, spaces) if words and all(words) and covered == text else (None, None)


def _judged(record: Record, spans: list[Any], is_binary: bool, is_manual: bool) -> Record:
    """Sort spans into accepted, rejected and not judged ones."""
    mentions = [
        RawMention(
            ((field(span, "start"), field(span, "end")),),
            field(span, "label"),
            span.get("score"),
            span.get("text"),
        )
        for span in spans
    ]
    answers = [_answer(span) if "answer" in span else record.answer for span in spans]
    if record.answer == IGNORE:
        answers = [IGNORE] * len(spans)
    right = tuple(m for m, answer in zip(mentions, answers) if answer == ACCEPT)
    wrong = tuple(m for m, answer in zip(mentions, answers) if answer == REJECT)
    open_ = tuple(m for m, answer in zip(mentions, answers) if answer not in (ACCEPT, REJECT))
    problems: tuple[Problem, ...] = ()
    together = len(wrong) > 1 or (is_manual and len(wrong) > 0)
    if record.answer == REJECT and together and not any("answer" in span for span in spans):
        message = f"Rejected as a whole, with {len(wrong)} spans: nobody said what is wrong."
        problems = (record.problem("rejected together", None, message),)
        wrong, open_ = (), wrong
    # A binary task asks about its spans alone
    complete = record.answer == ACCEPT and not is_binary
    return record._replace(
        entities=right,
        incorrect=wrong,
        predictions=open_,
        is_annotated=complete,
        problems=problems,
        # Of what nobody has judged in a judged task, nothing is known
        unknown=tuple(m.offsets for m in open_ if record.answer == ACCEPT and m.offsets),
    )


def write_prodigy(docs: Docs, path: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write a task for each doc: with an answer if it is annotated, else with predictions."""
    write_json_lines(path, (_task(doc, settings, findings) for doc in docs))


def _task(doc: Doc, settings: FormatSettings, findings: Findings) -> dict[str, Any]:
    task: dict[str, Any] = {settings.text_key: doc.text, "tokens": tokens_of(doc)}
    about = data_of(doc)
    answer = about.answer
    incorrect = list(doc.spans.get(settings.docs.incorrect_spans_key, ()))
    predictions = predictions_of(doc)
    is_annotated = has_annotation(doc, settings.docs)
    spans = [span_of(*scored) for scored in annotated_entities(doc, settings.docs)]
    if answer is None and (is_annotated or incorrect):
        answer = ACCEPT
    if answer == REJECT and len(incorrect) == 1 and not spans:
        spans = [span_of(incorrect[0])]
    elif incorrect or (spans and answer != ACCEPT):
        spans = [{**span, "answer": ACCEPT} for span in spans]
        spans += [{**span_of(span), "answer": REJECT} for span in incorrect]
    if not spans and not is_annotated:
        spans = [span_of(span, score) for span, score in predictions]
    elif predictions:
        findings.notes["predictions beside annotation left out"] += len(predictions)
    if answer == ACCEPT:
        task["_is_binary"] = known_tokens(doc, settings.docs) < len(doc)  # the rest is not known
        what = "documents of which tokens outside of the spans are not known"
        findings.notes[what] += task["_is_binary"]
    task["spans"] = spans
    values = {
        "answer": answer,
        ID: about.id,
        META: about.meta or None,
        "_annotator_id": about.annotator,
    }
    task.update({key: value for key, value in values.items() if value is not None})
    return task


def tokens_of(doc: Doc) -> list[dict[str, Any]]:
    """Return a doc's tokens as Prodigy has them."""
    return [
        {
            "text": token.text,
            "start": token.idx,
            "end": token.idx + len(token),
            "id": token.i,
            "ws": bool(token.whitespace_),
        }
        for token in doc
    ]


def span_of(span: Span, score: float | None = None) -> dict[str, Any]:
    """Return a span as Prodigy has it, with its probability if there is one."""
    found = {
        "start": span.start_char,
        "end": span.end_char,
        "token_start": span.start,
        "token_end": span.end - 1,
        "label": span.label_,
    }
    return found if score is None else {**found, "score": score}


def _detect(sample: FileSample) -> bool:
    has_text = sample.has(sample.settings.text_key) and not sample.has("annotation_id")
    return has_text and any(sample.has(key) for key in ("spans", "answer", "_input_hash"))


# Predictions beside annotation are the exception, which the writer counts
_KEPT = {ID, META, ANNOTATOR, PREDICTIONS, PROBABILITIES, INCORRECT_SPANS, UNKNOWN_TOKENS}
_KEPT.add(WHITE_SPACE)
_SUFFIXES = (".jsonl", ".json")
register(
    Format(
        "prodigy",
        read_prodigy,
        write_prodigy,
        _SUFFIXES,
        _KEPT,
        holds_overlaps=True,
        detect=_detect,
    )
)
