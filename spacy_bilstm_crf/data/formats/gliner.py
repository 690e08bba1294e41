"""GLiNER's JSON: `{"tokenized_text": ["Ada", "sang"], "ner": [[0, 0, "person"]]}`.

Entities are the numbers of their first and last token. All other keys, such as those of negative
labels, become the document's meta.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ...common.errors import UserError
from .docs import ID, META, NO_ENTITY, annotated_entities, data_of, has_annotation
from .jsonl import as_id, field, json_text, list_of, read_records
from .losses import meta_without
from .records import Findings, Offsets, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import DocSettings, FormatSettings
from .words import placed

WORDS, TOKEN_SPANS = "tokenized_text", "ner"
OWN = {WORDS, TOKEN_SPANS, ID}


def read_gliner(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a file. One without a list of entities is not annotated."""

    def record_of(place: str, value: dict[str, Any]) -> Record:
        field(value, WORDS)
        words = list_of(value, WORDS)
        odd = [word for word in words if not isinstance(word, str) or not word]
        if odd:
            raise UserError(f"A token of {WORDS!r} is {odd[0]!r:.80}, but it must be a word.")
        text, offsets = placed(words)
        entities = [_mention(one, offsets) for one in list_of(value, TOKEN_SPANS)]
        is_annotated = value.get(TOKEN_SPANS) is not None
        findings.notes[NO_ENTITY] += is_annotated and not entities
        return Record(
            place,
            text,
            words,
            id=as_id(value.get(ID)),
            meta={key: found for key, found in value.items() if key not in OWN},
            entities=tuple(entities),
            is_annotated=is_annotated,
        )

    return read_records(path, settings.encoding, record_of)


def _mention(value: Any, offsets: list[Offsets]) -> RawMention:
    if not isinstance(value, list) or len(value) != 3:
        raise UserError(f"{value!r:.80} is not of the form [first token, last token, label].")
    first, last, label = value
    are_numbers = all(isinstance(x, int) and not isinstance(x, bool) for x in (first, last))
    if not are_numbers or not 0 <= first <= last < len(offsets):
        raise UserError(
            f"The tokens of {label!r:.60} are {first!r:.20} to {last!r:.20}, but they must be "
            f"numbers from 0 to {len(offsets) - 1}."
        )
    return RawMention(((offsets[first][0], offsets[last][1]),), label)


def write_gliner(docs: Docs, path: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write a list of docs. Tokens of white space are left out."""
    values = [_value(doc, settings.docs, findings) for doc in docs]
    # GLiNER's own files are a list
    path.write_text(json_text(values) + "\n", encoding="utf8")


def _value(doc: Doc, settings: DocSettings, findings: Findings) -> dict[str, Any]:
    about = data_of(doc)
    words = [token for token in doc if not token.is_space]
    numbers = {token.i: number for number, token in enumerate(words)}
    findings.notes["tokens of white space left out"] += len(doc) - len(words)
    value = {**meta_without(about.meta, OWN, findings), ID: about.id}
    value[WORDS] = [token.text for token in words]
    if has_annotation(doc, settings):
        entities = [span for span, _ in annotated_entities(doc, settings)]
        tokens = [[numbers[token.i] for token in span if token.i in numbers] for span in entities]
        findings.notes["entities of white space alone left out"] += tokens.count([])
        value[TOKEN_SPANS] = [[x[0], x[-1], ent.label_] for x, ent in zip(tokens, entities) if x]
    return {key: found for key, found in value.items() if found is not None}


def _detect(sample: FileSample) -> bool:
    return sample.has(WORDS)


_SUFFIXES = (".json", ".jsonl")
_KEPT = {ID, META}
register(
    Format(
        "gliner",
        read_gliner,
        write_gliner,
        _SUFFIXES,
        _KEPT,
        holds_overlaps=True,
        detect=_detect,
    )
)
