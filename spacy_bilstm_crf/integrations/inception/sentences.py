"""The sentences that a recommender for INCEpTION learns from."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple

from ...data.formats.records import Offsets, RawMention, Record

AnnotatedDocument = dict[str, Any]  # see `cas.annotated_document`


class SentencePlace(NamedTuple):
    """Where a sentence is, or several that an annotation is in.

    Attributes:
        number: The number of the first one, from 1, as INCEpTION's editor shows it.
        start: First character.
        end: Character after the last.
    """

    number: int
    start: int
    end: int


def annotated_sentences(documents: Iterable[AnnotatedDocument], finished: bool) -> list[Record]:
    """Return the annotated sentences of documents.

    A sentence is completely annotated by those who have an annotation in it, and not at all by
    others. If several have annotated it, what they agree on is known.

    Args:
        documents: The documents, of any users.
        finished: Whether all sentences are completely annotated, also those without an annotation.
    """
    by_text: defaultdict[tuple[int | None, str], list[AnnotatedDocument]] = defaultdict(list)
    for document in documents:
        by_text[document["id"], document["text"]].append(document)
    return [record for same in by_text.values() for record in _of_document(same, finished)]


def _of_document(same: Sequence[AnnotatedDocument], finished: bool) -> Iterator[Record]:
    """Yield the sentences of a document that several users may have annotated."""
    document = same[0]
    name = document["name"] or document["id"]
    text, words, spaces = document["text"], document["words"] or [], document["spaces"] or []
    starts = _starts(words, spaces)
    every = [sorted(map(_mention, one["entities"]), key=_start) for one in same]
    for sentence in _sentences(document, starts, every):
        found = [_within(mentions, sentence) for mentions in every]
        known = found if finished else list(filter(None, found))
        if not known:
            continue
        inside = slice(bisect_left(starts, sentence.start), bisect_left(starts, sentence.end))
        record = Record(
            "",
            text[sentence.start : sentence.end],
            words[inside] or None,
            spaces[inside] or None,
            id=f"{name}:{sentence.number}",
            entities=tuple(known[0]),
        )
        yield record if len(known) == 1 else record.agreed(known)


def _starts(words: Sequence[str], spaces: Sequence[bool]) -> list[int]:
    lengths = [len(word) + space for word, space in zip(words, spaces)]
    return list(accumulate(lengths, initial=0))[:-1]


def _sentences(
    document: AnnotatedDocument, starts: Sequence[int], every: Sequence[Sequence[RawMention]]
) -> Iterator[SentencePlace]:
    """Yield the sentences, those that an annotation is in as one."""
    firsts = [i for i, is_first in enumerate(document["sent_starts"] or []) if is_first]
    cuts = [0, *(starts[i] for i in firsts if starts[i]), len(document["text"])]
    inner: set[int] = set()
    for mention in chain.from_iterable(every):
        inner.update(cuts[bisect_right(cuts, _start(mention)) : bisect_left(cuts, _end(mention))])
    numbers = {cut: number for number, cut in enumerate(cuts, start=1)}
    for start, end in pairwise(cut for cut in cuts if cut not in inner):
        yield SentencePlace(numbers[start], start, end)


def _within(mentions: Sequence[RawMention], sentence: SentencePlace) -> list[RawMention]:
    """Return those of some mentions, in order, that are in a sentence."""
    first = bisect_left(mentions, sentence.start, key=_start)
    inside = mentions[first : bisect_left(mentions, sentence.end, key=_start)]
    return [one.moved(lambda offset: offset - sentence.start) for one in inside]


def _mention(entity: Sequence[Any]) -> RawMention:
    start, end, label = entity
    return RawMention(((start, end),), label)


def _start(mention: RawMention) -> int:
    return mention.fragments[0][0]


def _end(mention: RawMention) -> int:
    return mention.fragments[0][1]


def as_json(record: Record) -> dict[str, Any]:
    """Return the sentence of a record as JSON: see `record_of`."""
    names = ("text", "words", "spaces", "id", "entities", "disputed")
    return {name: getattr(record, name) for name in names}


def record_of(value: dict[str, Any]) -> Record:
    """Return the record of a sentence: see `as_json`."""
    mentions = {name: tuple(map(_read_mention, value[name])) for name in ("entities", "disputed")}
    return Record("", **{**value, **mentions})


def _read_mention(values: Sequence[Any]) -> RawMention:
    fragments, *others = values
    places: tuple[Offsets, ...] = tuple((start, end) for start, end in fragments)
    return RawMention(places, *others)
