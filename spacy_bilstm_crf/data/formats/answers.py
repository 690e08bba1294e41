"""Answers about single entities of a text, put together.

A tool that asks about one entity at a time has several tasks with the same text. Together they are
the partial annotation of one document.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .docs import ACCEPT, IGNORE, REJECT
from .records import Problem, RawMention, Record

_Key = tuple[str, tuple[str, ...]]  # a text and its words


def joined_answers(found: Iterable[Record | Problem]) -> Iterator[Record | Problem]:
    """Make one record of all that judge single entities of the same text, in place of the first.

    An entity that one of them accepts and another one rejects is disputed.
    """
    items = list(found)
    groups: dict[_Key, list[Record]] = {}
    for one in items:
        if isinstance(one, Record) and _is_answer(one):
            groups.setdefault(_key(one), []).append(one)
    for one in items:
        if not (isinstance(one, Record) and _is_answer(one)):
            yield one
        elif of_text := groups.pop(_key(one), []):  # the first one
            yield _joined(of_text) if len(of_text) > 1 else one


def _key(record: Record) -> _Key:
    return record.text, tuple(record.words or ())


def _is_answer(record: Record) -> bool:
    """Tell whether a record is an answer about given entities alone."""
    has_spans = bool(record.entities or record.incorrect or record.predictions)
    return has_spans and not record.is_annotated and record.answer is not None


def _joined(records: Sequence[Record]) -> Record:
    right = _by_looks(one.entities for one in records)
    wrong = _by_looks(one.incorrect for one in records)
    ignored = _by_looks(one.predictions for one in records)
    answers = {one.answer for one in records}
    annotators = {one.annotator for one in records}
    return records[0]._replace(
        id=next((one.id for one in records if one.id is not None), None),
        answer=next(answer for answer in (ACCEPT, REJECT, IGNORE) if answer in answers),
        annotator=records[0].annotator if len(annotators) == 1 else None,
        entities=tuple(mentions[0] for looks, mentions in right.items() if looks not in wrong),
        incorrect=tuple(mentions[0] for looks, mentions in wrong.items() if looks not in right),
        predictions=tuple(
            mentions[0]
            for looks, mentions in ignored.items()
            if looks not in right and looks not in wrong
        ),
        disputed=tuple(
            mentions[0]._replace(
                dispute=f"{len(mentions)} of {len(mentions) + len(wrong[looks])} answers accept"
            )
            for looks, mentions in right.items()
            if looks in wrong
        ),
        unknown=tuple(chain.from_iterable(one.unknown for one in records)),
        problems=tuple(chain.from_iterable(one.problems for one in records)),
    )


def _by_looks(of_records: Iterable[Iterable[RawMention]]) -> dict[str, list[RawMention]]:
    """Group spans by where they are and their labels.

    By what these look like: a damaged file may have anything in their place.
    """
    groups: dict[str, list[RawMention]] = {}
    for one in chain.from_iterable(of_records):
        groups.setdefault(repr(one[:2]), []).append(one)
    return groups
