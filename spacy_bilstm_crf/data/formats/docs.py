"""Records -> docs. What does not fit is counted and listed, never guessed."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans, get_words_and_spaces

from ...common.errors import UserError, reported_errors
from ...pipeline.confidence import confidence, keep_confidence, scored_spans
from ..tokenization import make_doc
from .counting import fits, recounted
from .jsonl import as_id, parsed_json
from .records import Findings, Problem, RawMention, Record
from .settings import DocSettings, FormatSettings

PREDICTIONS = "predictions"  # key in doc.spans
# Keys in doc.user_data
ID, ANSWER, ANNOTATOR, META = "id", "answer", "annotator", "meta"
# What the probabilities of annotated entities are kept under, where a component has its name
ANNOTATION_SOURCE = "annotation"
# Fields of a record that have mentions
GROUPS = ("entities", "incorrect", "predictions", "disputed")
# Kinds of problems
OVERLAPPING, TWICE, NOT_ON_TOKENS = "overlapping", "twice", "not on tokens"
OUTSIDE_THE_TEXT = "outside the text"
DISPUTED = "annotators differ"
OTHER_TEXT = "other text than quoted"
BLANKS_AT_EDGES = "begins or ends with blanks"
# What is counted
CONTRADICTIONS = "documents with the text of an earlier one and other annotation: see audit"
ALL_UNKNOWN = "documents that are not annotated, of which all tokens are unknown"
NO_ENTITY = (
    "documents without an entity, read as annotated: if nobody has looked at them, leave them out "
    "or use --unannotated missing"
)
MOSTLY_UNKNOWN = (
    "documents of which only the given spans were judged, and all other tokens are unknown"
)

# Answers of annotators
ACCEPT, REJECT, IGNORE = "accept", "reject", "ignore"

SHORTER = "entities that overlap a longer one left out"
NOT_COMPLETE = (
    "entities that overlap another left out, as their document is not completely annotated"
)
ON_UNKNOWN = "entities left out, as other annotation of their tokens is missing or invalid"
TWICE_IN_FILE = "entities that are annotated twice, kept once"

# What is noted of texts without tokens where no language is named
ANY_LANGUAGE = "texts tokenized for any language (xx): name theirs with --lang"

SpanWithScore = tuple[Span, float | None]
Identity = tuple[int, int, str]  # of a span
Said = tuple[Sequence[str], set[Identity] | None]  # of the tokens of a doc, and its spans


class DocData(NamedTuple):
    """What is known of a doc beside its tokens, in values that JSON can hold."""

    id: str | None
    answer: str | None
    annotator: str | None
    meta: dict[str, Any]


def blank(lang: str) -> Language:
    """Return a tokenizer for texts of any length.

    Raises:
        UserError: If there is no such language.
    """
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:  # spaCy's E048, or a package that the tokenizer needs
        reason = str(error).splitlines()[0]
        raise UserError(f"--lang {lang} can't be used: {reason:.150}") from error
    nlp.max_length = 10**9  # the limit is there for parsers
    return nlp


def docs_of(
    found: Iterable[Record | Problem | Doc], settings: FormatSettings, findings: Findings
) -> Iterator[Doc]:
    """Make docs of the records of a file. Docs are left as they are.

    Args:
        found: What a format's reader yields.
        settings: How texts are tokenized, and what becomes of what does not fit.
        findings: Gets the problems.

    Raises:
        UserError: If nothing of the file can be read.
    """
    nlp = blank(settings.lang)
    ids: set[str] = set()
    earlier: dict[str, Said] = {}
    unreadable: list[Problem] = []
    n_read = 0
    for record in found:
        if isinstance(record, Problem):
            unreadable.append(record)
            findings.problems.append(record)
            continue
        n_read += 1
        if isinstance(record, Doc):
            findings.n_annotated += 1
            yield record
            continue
        findings.notes[ANY_LANGUAGE] += record.words is None and settings.lang == "xx"
        doc, problems = _doc_of(record, nlp, settings.docs, findings)
        if record.id is not None and not settings.by_annotator:
            if record.id in ids:
                message = f"The id {record.id!r} is that of an earlier document."
                problems.append(record.problem("duplicate id", None, message))
                doc.user_data.pop(ID)
            ids.add(record.id)
        findings.problems += problems
        if not problems or settings.docs.on_problem != "skip":
            findings.notes[CONTRADICTIONS] += _contradicts(doc, earlier, settings.docs)
            yield doc
    if unreadable and not n_read:
        first, more = unreadable[0], len(unreadable) - 1
        others = f" The same goes for the {more:,} others." if more else ""
        raise UserError(f"{first.place}: {first.message}{others}")


def _contradicts(doc: Doc, earlier: dict[str, Said], settings: DocSettings) -> bool:
    """Tell whether an earlier doc of this text says otherwise of some token or has other spans."""
    tags = tuple(token.ent_iob_ + token.ent_type_ for token in doc)
    spans = set(map(_identity, doc.spans[settings.spans_key])) if in_spans(doc, settings) else None
    tags_before, spans_before = earlier.setdefault(doc.text, (tags, spans))
    if spans is not None and spans_before is not None:
        return spans != spans_before
    return any(one and other and one != other for one, other in zip(tags_before, tags))


def _identity(span: Span) -> Identity:
    return span.start, span.end, span.label_


def _doc_of(
    record: Record, nlp: Language, settings: DocSettings, findings: Findings
) -> tuple[Doc, list[Problem]]:
    record, how = _recounted(record)
    if how:
        findings.notes[f"documents with offsets in {how}, converted to code points"] += 1
    if settings.on_problem == "trim":
        record = _trimmed(record, findings)
    doc = _tokens(record, nlp)
    if settings.splits_tokens:
        doc = _split(doc, _mentions(record))
    findings.n_mentions += len(record.entities)
    problems = []
    for mention in record.disputed:
        _, problem = _span(doc, mention, record)
        message = f"{mention.dispute} {mention.label} here."
        problems.append(problem or record.problem(DISPUTED, mention.offsets, message))
    found, misfits = _spans(doc, record.entities, record)
    problems += misfits
    every, flat, overlapping = _entities(found, record, settings, findings)
    problems += overlapping
    unknown = {token for where in record.unknown for token in _covering(doc, *where)}
    unknown.update(token for problem in problems for token in _touched(doc, problem))
    is_complete = record.is_annotated and settings.unannotated == "outside"
    if settings.keeps_overlaps:
        if is_complete and not (record.unknown or record.problems or problems):
            doc.spans[settings.spans_key] = _group(doc, settings.spans_key, every)
        else:
            findings.notes[NOT_COMPLETE] += len(every) - len(flat)
        # Of these tokens `doc.ents` can't say which entity they are in
        unknown.update(_tokens_of_all(every) - _tokens_of_all(flat))
    kept = [one for one in flat if unknown.isdisjoint(_tokens_of(one[0]))]
    touched = [one for one in flat if not unknown.isdisjoint(_tokens_of(one[0]))]
    if settings.keeps_overlaps:
        findings.notes[ON_UNKNOWN] += len(touched)
    unknown.update(_tokens_of_all(touched))
    findings.n_annotated += record.is_annotated or bool(kept or record.incorrect)
    if not record.is_annotated:
        findings.notes[MOSTLY_UNKNOWN if kept or record.incorrect else ALL_UNKNOWN] += 1
    doc.set_ents(
        [span for span, _ in kept],
        missing=[doc[t : t + 1] for t in sorted(unknown)],
        default="outside" if is_complete else "missing",
    )
    _keep_probabilities(doc, every if in_spans(doc, settings) else kept, findings)
    for key, mentions in (
        (settings.incorrect_spans_key, record.incorrect),
        (PREDICTIONS, record.predictions),
    ):
        spans, misfits = _spans(doc, mentions, record)
        keep_predictions(doc, key, spans)
        problems += misfits
    of_doc = (record.id, record.answer, record.annotator, record.meta or None)
    values = dict(zip((ID, ANSWER, ANNOTATOR, META), of_doc))
    doc.user_data.update({key: value for key, value in values.items() if value is not None})
    return doc, [*record.problems, *problems]


def _recounted(record: Record) -> tuple[Record, str | None]:
    """The record with offsets in code points, and how they were counted if otherwise."""
    found, how = recounted(record.text, _mentions(record))
    return _with_mentions(record, found), how


def _mentions(record: Record) -> list[RawMention]:
    return list(chain.from_iterable(getattr(record, name) for name in GROUPS))


def _with_mentions(record: Record, mentions: Iterable[RawMention]) -> Record:
    """The record with others in the place of all of its mentions, in their order."""
    left = iter(mentions)
    changed: dict[str, Any] = {
        name: tuple(islice(left, len(getattr(record, name)))) for name in GROUPS
    }
    return record._replace(**changed)


def _trimmed(record: Record, findings: Findings) -> Record:
    """The record with mentions that neither begin nor end with blanks."""
    mentions = _mentions(record)
    trimmed = [_without_blanks(mention, record.text) for mention in mentions]
    findings.notes["spans with blanks at their edges, cut off"] += sum(
        one != other for one, other in zip(mentions, trimmed)
    )
    return _with_mentions(record, trimmed)


def _without_blanks(mention: RawMention, text: str) -> RawMention:
    if mention.offsets is None or len(mention.fragments) > 1:
        return mention
    start, end = mention.offsets
    shorter = text[start:end].strip()
    if not 0 <= start < end <= len(text) or not shorter:
        return mention
    start += text[start:end].find(shorter)
    return mention._replace(fragments=((start, start + len(shorter)),))


def _touched(doc: Doc, problem: Problem) -> range:
    """The tokens of which nothing is known, as there is something wrong with an entity."""
    if problem.kind in (OUTSIDE_THE_TEXT, OTHER_TEXT):
        # Where it really is nobody knows, so that no token is known to be outside
        return range(len(doc))
    return range(0) if problem.kind == TWICE else _covering(doc, problem.start, problem.end)


def _tokens(record: Record, nlp: Language) -> Doc:
    if record.words is None:
        doc = make_doc(nlp, record.text)
        return doc if doc.text == record.text else _with_text(doc, record.text)
    starts: Any = record.sent_starts  # spaCy's own type has ints as well
    return Doc(
        nlp.vocab, words=record.words, spaces=record.spaces, sent_starts=starts, tags=record.pos
    )


def _split(doc: Doc, mentions: Iterable[RawMention]) -> Doc:
    """The doc with each token split where a mention begins or ends within it."""
    offsets = [mention.offsets for mention in mentions]
    cuts = {cut for pair in offsets if pair is not None for cut in pair}
    words: list[str] = []
    spaces: list[bool] = []
    for token in doc:
        inner = sorted(cuts.intersection(range(token.idx + 1, token.idx + len(token))))
        places = [token.idx, *inner, token.idx + len(token)]
        words += [doc.text[start:end] for start, end in pairwise(places)]
        spaces += [*[False] * len(inner), bool(token.whitespace_)]
    return Doc(doc.vocab, words=words, spaces=spaces) if len(words) > len(doc) else doc


def _with_text(doc: Doc, text: str) -> Doc:
    """The tokens of a tokenizer that changes white space, as spaCy's Korean one does, in a text."""
    with reported_errors("The tokenizer changes the text"):
        words, spaces = get_words_and_spaces([token.text for token in doc], text)
    return Doc(doc.vocab, words=words, spaces=spaces)


def _tokens_of(span: Span) -> range:
    return range(span.start, span.end)


def _tokens_of_all(spans: Iterable[SpanWithScore]) -> set[int]:
    return {token for span, _ in spans for token in _tokens_of(span)}


def _covering(doc: Doc, start: int | None, end: int | None) -> range:
    """The tokens that have a character of a part of the text."""
    length = len(doc.text)
    if start is None or end is None or not 0 <= start < end or start >= length:
        return range(0)
    span = doc.char_span(start, min(end, length), alignment_mode="expand")
    return range(0) if span is None else _tokens_of(span)


def _spans(
    doc: Doc, mentions: Iterable[RawMention], record: Record
) -> tuple[list[SpanWithScore], list[Problem]]:
    """The tokens that mentions cover, with their scores, and why some cover none."""
    spans, misfits = [], []
    for mention in mentions:
        span, problem = _span(doc, mention, record)
        if problem is None:
            spans.append((span, mention.score))
        else:
            misfits.append(problem)
    return spans, misfits


def _span(doc: Doc, mention: RawMention, record: Record) -> tuple[Any, Problem | None]:
    """The tokens that a mention covers, or why there are none."""

    def problem(kind: str, message: str) -> tuple[None, Problem]:
        return None, record.problem(kind, mention.offsets, message)

    text = record.text
    length = len(text)
    if mention.offsets is None or not all(0 <= a < b <= length for a, b in mention.fragments):
        return problem(
            OUTSIDE_THE_TEXT,
            f"The offsets of {mention.label} are {list(mention.fragments)}, but they must be two "
            f"numbers from 0 to {length}, the second one larger.",
        )
    if not isinstance(mention.label, str) or not mention.label.strip():
        return problem("no label", f"The label is {mention.label!r}, but it must be a name.")
    start, end = mention.offsets
    covered = text[start:end]
    if not fits(text, mention):
        return problem(
            OTHER_TEXT,
            f"{mention.label} is {mention.quote!r} in the file, but its offsets cover {covered!r}.",
        )
    if any(text[a[1] : b[0]].strip() or b[0] < a[1] for a, b in pairwise(mention.fragments)):
        return problem(
            "discontinuous", f"{mention.label} is in {len(mention.fragments)} parts of {covered!r}."
        )
    span = doc.char_span(start, end, label=mention.label)
    if span is None or doc[span.start].is_space or doc[span.end - 1].is_space:
        shorter = covered.strip()
        first = start + covered.find(shorter)
        fit = doc.char_span(first, first + len(shorter), alignment_mode="expand")
        nearest = "" if fit is None else f" The nearest tokens are {fit.text!r}."
        has_blanks = bool(shorter) and shorter != covered
        how = BLANKS_AT_EDGES if has_blanks else "does not begin and end where tokens do"
        return problem(NOT_ON_TOKENS, f"{covered!r} ({mention.label}) {how}.{nearest}")
    return span, None


def _entities(
    found: Sequence[SpanWithScore], record: Record, settings: DocSettings, findings: Findings
) -> tuple[Sequence[SpanWithScore], list[SpanWithScore], list[Problem]]:
    """All entities, those of them that `doc.ents` can hold, and what is wrong with the rest."""
    if settings.overlaps == "problem":
        return found, *_without_overlap(found, record)
    if settings.overlaps == "longest":
        longest = _longest(found)
        findings.notes[SHORTER] += len(found) - len(longest)
        return longest, *_without_overlap(longest, record)
    first = {_identity(span): (span, score) for span, score in reversed(found)}
    findings.notes[TWICE_IN_FILE] += len(found) - len(first)
    every = [first[key] for key in sorted(first)]
    flat, _ = _without_overlap(_longest(every), record)
    return every, flat, []


def _longest(spans: Sequence[SpanWithScore]) -> list[SpanWithScore]:
    """Spans that share no token with a longer one. Those of the same tokens are left to differ."""
    kept = {(span.start, span.end) for span in filter_spans(span for span, _ in spans)}
    return [one for one in spans if (one[0].start, one[0].end) in kept]


def _without_overlap(
    spans: Sequence[SpanWithScore], record: Record
) -> tuple[list[SpanWithScore], list[Problem]]:
    """Spans that share no token with another, and what is wrong with the rest.

    One that is there twice stays once.
    """
    ordered = sorted(spans, key=lambda scored: (scored[0].start, scored[0].end))
    problems: list[Problem] = []
    groups: list[list[SpanWithScore]] = []
    end = -1
    for span, score in ordered:
        if groups and span == groups[-1][-1][0]:
            where = (span.start_char, span.end_char)
            message = f"{span.text!r} ({span.label_}) is annotated twice."
            problems.append(record.problem(TWICE, where, message))
        elif span.start < end:
            groups[-1].append((span, score))
        else:
            groups.append([(span, score)])
        end = max(end, span.end)
    for group in groups:
        if len(group) > 1:
            where = (group[0][0].start_char, max(span.end_char for span, _ in group))
            parts = ", ".join(f"{span.text!r} ({span.label_})" for span, _ in group)
            problems.append(record.problem(OVERLAPPING, where, f"These overlap: {parts}."))
    return [group[0] for group in groups if len(group) == 1], problems


def _is_probability(score: Any) -> bool:
    return isinstance(score, (int, float)) and 0.0 <= score <= 1.0


def data_of(doc: Doc) -> DocData:
    """Return what is known of a doc beside its tokens, in values that JSON can hold."""
    answer, meta = doc.user_data.get(ANSWER), doc.user_data.get(META) or {}
    if not isinstance(meta, dict):
        meta = {META: meta}
    if meta:
        meta = parsed_json(json.dumps(meta, default=str, skipkeys=True))
    return DocData(
        as_id(doc.user_data.get(ID)),
        answer if answer in (ACCEPT, REJECT, IGNORE) else None,
        as_id(doc.user_data.get(ANNOTATOR)),
        meta,
    )


def keep_predictions(doc: Doc, key: str, scored: Sequence[SpanWithScore]) -> None:
    """Store spans, if there are any, in `doc.spans`, with their scores if all have one."""
    if scored:
        doc.spans[key] = _group(doc, key, scored)


def _group(doc: Doc, key: str, scored: Sequence[SpanWithScore]) -> SpanGroup:
    scores = [score for _, score in scored if _is_probability(score)]
    has_all = bool(scores) and len(scores) == len(scored)
    attrs = {"scores": np.array(scores, dtype=np.float32)} if has_all else {}
    return SpanGroup(doc, name=key, attrs=attrs, spans=[span for span, _ in scored])


def predictions_of(doc: Doc) -> list[SpanWithScore]:
    """Return the spans under the key of predictions, with their scores if they have some."""
    return scored_spans(doc.spans[PREDICTIONS]) if PREDICTIONS in doc.spans else []


def _keep_probabilities(doc: Doc, entities: Sequence[SpanWithScore], findings: Findings) -> None:
    scored = [(span, score) for span, score in entities if score is not None]
    probable = [(span, float(score)) for span, score in scored if _is_probability(score)]
    findings.notes["scores that are no probabilities left out"] += len(scored) - len(probable)
    if len(probable) < len(entities):  # or else their group has them
        n_lost = len(probable) - len({(span.start, span.end) for span, _ in probable})
        findings.notes["probabilities of another label of the same tokens left out"] += n_lost
    keep_confidence(doc, probable, ANNOTATION_SOURCE)


def in_spans(doc: Doc, settings: DocSettings) -> bool:
    """Tell whether a doc's entities are those in `doc.spans`, where they may overlap."""
    return settings.keeps_overlaps and settings.spans_key in doc.spans


def annotated_entities(doc: Doc, settings: DocSettings) -> list[SpanWithScore]:
    """Return a doc's annotated entities, with their probabilities if they have some."""
    if not in_spans(doc, settings):
        return [(ent, confidence(ent)) for ent in doc.ents]
    with reported_errors():
        scored = scored_spans(doc.spans[settings.spans_key])
    return [
        (span, confidence(span) if score is None or not math.isfinite(score) else score)
        for span, score in scored
    ]


def has_annotation(doc: Doc, settings: DocSettings) -> bool:
    """Tell whether any token is annotated, or there are none."""
    return in_spans(doc, settings) or any(token.ent_iob for token in doc) or not len(doc)


def known_tokens(doc: Doc, settings: DocSettings) -> int:
    """Return of how many tokens it is known whether they are in an entity."""
    return len(doc) if in_spans(doc, settings) else sum(bool(token.ent_iob) for token in doc)
