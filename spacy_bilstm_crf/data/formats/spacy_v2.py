"""spaCy v2's training data: texts with offsets, and JSON of documents, paragraphs and tokens.

`[text, {"entities": [[0, 5, "PER"]]}]` is that of scripts, on each line or in a list. The other one
is `{"paragraphs": [{"sentences": [{"tokens": [{"orth": "Ada", "ner": "U-PER"}]}]}]}`, of which each
paragraph is a document. The tags are BILUO, and `-` is a token of which nothing is known.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...common.errors import UserError
from .columns import entities_of_tags
from .docs import NO_ENTITY
from .jsonl import as_id, field, list_of, mention_of, objects_of, read_values
from .layout import UNKNOWN
from .records import Findings, Offsets, Problem, RawMention, Record
from .registry import Format, register
from .rows import TAG
from .sample import FileSample
from .settings import FormatSettings
from .words import align_words, placed

ENTITIES_IN_PAIR, TOKEN_TAG = "entities", "ner"
# Keys of the annotation of a token, and what their values are
OF_TOKENS = {"dep": "dependencies", "head": "dependencies", "lemma": "lemmas", "pos": "coarse tags"}
OTHER_WORDS = "documents whose tokens are not those of their text, made of the tokens"
# Keys of the annotation of a text
OF_TEXTS = ("cats", "links", "tags", "heads", "deps", "lemmas", "pos", "morphs")


def read_spacy_v2(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the documents of a file in either layout."""

    def records_of(place: str, value: Any) -> Iterator[Record]:
        if is_example(value):
            yield example_of(place, value, findings)
        elif isinstance(value, dict) and value.keys() & {"paragraphs", "sentences"}:
            paragraphs = objects_of(value, "paragraphs") if "paragraphs" in value else [value]
            for number, paragraph in enumerate(paragraphs, start=1):
                where = f"{place}, paragraph {number}" if len(paragraphs) > 1 else place
                yield _paragraph(where, paragraph, findings)
        else:
            raise UserError(
                f'{value!r:.80} is neither [text, {{"entities": ...}}] nor {{"paragraphs": ...}}.'
            )

    def is_one(value: Any) -> bool:
        return isinstance(value, dict) or is_example(value)

    return read_values(path, settings.encoding, records_of, is_one)


def is_example(value: Any) -> bool:
    """Tell whether JSON is a text with its annotation, `[text, {...}]`."""
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and isinstance(value[0], str) and isinstance(value[1], dict)


def example_of(place: str, value: list[Any], findings: Findings) -> Record:
    """Make a record of a text with its annotation. Without a list of entities it has none.

    Raises:
        UserError: If the entities are no list, or tags of other words.
    """
    text, annotation = value
    for key in OF_TEXTS:
        findings.notes[f"values of {key!r} left out"] += bool(annotation.get(key))
    is_annotated = annotation.get(ENTITIES_IN_PAIR) is not None
    entities = list_of(annotation, ENTITIES_IN_PAIR)
    findings.notes[NO_ENTITY] += is_annotated and not entities
    if entities and all(isinstance(one, str) for one in entities):
        words = list_of(annotation, "words")
        return _of_tokens(place, text, words, None, entities, [0])
    return Record(place, text, entities=tuple(map(mention_of, entities)), is_annotated=is_annotated)


def _paragraph(place: str, paragraph: dict[str, Any], findings: Findings) -> Record:
    sentences = [list_of(one, "tokens") for one in objects_of(paragraph, "sentences")]
    tokens = [token for sentence in sentences for token in sentence]
    words = [field(token, "orth") for token in tokens]
    for key, what in OF_TOKENS.items():
        findings.notes[f"tokens' {what} left out"] += sum(bool(one.get(key)) for one in tokens)
    for key in ("cats", "links"):
        findings.notes[f"values of {key!r} left out"] += bool(paragraph.get(key))
    text = paragraph.get("raw")
    if text is not None and not isinstance(text, str):
        raise UserError(f"The text under 'raw' is {text!r:.80}, which is not a string.")
    spaces = None
    if any("space" in token for token in tokens):
        spaces = [token.get("space", " ") == " " for token in tokens]
    starts, first = [], 0
    for sentence in sentences:
        starts.append(first)
        first += len(sentence)
    tags = [token.get(TOKEN_TAG) or UNKNOWN[1] for token in tokens]
    if text is not None and not _are_words_of(text, words):
        findings.notes[OTHER_WORDS] += 1
        text = None
    record = _of_tokens(place, text, words, spaces, tags, starts)
    pos = [token.get("tag") for token in tokens]
    if all(isinstance(one, str) for one in pos) and record.words == words:
        record = record._replace(pos=pos)
    else:
        findings.notes["tokens' tags left out"] += sum(map(bool, pos))
    return record._replace(
        id=as_id(paragraph.get("id")), is_annotated=any(tag not in UNKNOWN for tag in tags)
    )


def _are_words_of(text: str, words: Sequence[Any]) -> bool:
    """Tell whether words make up a text, as they don't where quotes became `` and ''."""
    return "".join(text.split()) == "".join(str(word) for word in words if not str(word).isspace())


def _of_tokens(
    place: str,
    text: str | None,
    words: Sequence[Any],
    spaces: list[bool] | None,
    tags: Sequence[Any],
    starts: Sequence[int],
) -> Record:
    """A record of words with their tags, and where sentences start.

    Raises:
        UserError: If words or tags are something else, or the words are not those of the text.
    """
    odd = [word for word in words if not isinstance(word, str) or not word]
    if odd:
        raise UserError(f"A token is {odd[0]!r:.80}, but it must be a word.")
    odd = [tag for tag in tags if not isinstance(tag, str) or not TAG.fullmatch(tag)]
    if odd:
        raise UserError(f"A tag is {odd[0]!r:.80}, but it must be O, -, or of the form U-PER.")
    if len(tags) != len(words):
        raise UserError(f"There are {len(tags)} tags of {len(words)} words.")
    if text is None:
        text, offsets = placed(words, spaces)
    else:
        words, spaces, offsets = align_words(text, words)
    entities: list[RawMention] = []
    unknown: list[Offsets] = []
    problems: list[Problem] = []
    for start, end in pairwise([*starts, len(tags)]):
        of_sentence = offsets[start:end]
        places = [place] * len(of_sentence)
        found = entities_of_tags(tags[start:end], of_sentence, text, "biluo", places)
        entities += found[0]
        unknown += [where for where in found[1] if where[0] < where[1]]
        problems += found[2]
    first_characters = {0, *(offsets[start][0] for start in starts if start < len(offsets))}
    _, every = placed(words, spaces)
    return Record(
        place,
        text,
        list(words),
        spaces,
        [start in first_characters for start, _ in every] if len(starts) > 1 else None,
        entities=tuple(entities),
        unknown=tuple(unknown),
        problems=tuple(problems),
    )


def _detect(sample: FileSample) -> bool:
    paragraphs = sample.object.get("paragraphs")
    return is_example(sample.value) or (isinstance(paragraphs, list) and bool(paragraphs))


register(Format("spacy-v2", read_spacy_v2, None, (".json", ".jsonl"), detect=_detect))
