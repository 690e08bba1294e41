"""WebAnno TSV 3, as INCEpTION and WebAnno export it.

A file is a document. Offsets are in UTF-16 units; the tokens are the file's own. What white space
is between sentences the file does not say: it becomes one blank.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ...common.errors import UserError
from .docs import NO_ENTITY
from .layers import OTHER_LAYERS, Layer, chosen_layer, short_name
from .records import Findings, Offsets, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings
from .words import align_words, placed

FORMAT, VERSION = "#FORMAT=WebAnno TSV ", "3"
LAYER = re.compile(r"#T_(SP|CH|RL)=([^|]+)\|?(.*)")
SENTENCE_TEXT = "#Text="
TOKEN_NUMBER = re.compile(r"(\d+)-(\d+)(\.\d+)?")
OFFSETS = re.compile(r"(\d+)-(\d+)")
# The parts of a cell with several annotations, and the number of one that has several tokens
PARTS = re.compile(r"(?:\\.|[^|\\])+", re.DOTALL)
NUMBERED = re.compile(r"((?:\\.|[^\[\]\\])*)\[(\d+)\]", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
OF_LINKS = "ROLE_"  # what the first of two columns of links is called
NOTHING, UNSET = "_", "*"
FIRST_COLUMN = 3  # column of annotation


class LayerColumn(NamedTuple):
    """A column of annotation: a feature of a layer, or the layer itself if it has none."""

    layer: str
    feature: str | None
    is_of_spans: bool


class Line(NamedTuple):
    """A token, or a part of one that is annotated."""

    number: int
    sentence: int
    is_token: bool
    start: int
    end: int
    word: str
    cells: list[str]


@dataclass
class SentenceLines:
    """The text of a sentence, and the lines of its tokens."""

    text: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def read_webanno(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the document of a file.

    Raises:
        UserError: If it is not of this format, or it can't be told which layer has the entities.
    """
    text = path.read_text(encoding=settings.encoding)
    try:
        yield _record(path, text.split("\n"), settings, findings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _record(
    path: Path, lines: Sequence[str], settings: FormatSettings, findings: Findings
) -> Record:
    first = lines[0].strip()
    if not first.startswith(FORMAT + VERSION):
        raise UserError(f"The first line is {first!r:.60}, not {FORMAT}{VERSION}.")
    columns, sentences = _parsed(lines)
    every = [line for sentence in sentences for line in sentence.lines]
    counts = {
        name: Layer(
            [x.feature for x in columns if x.layer == name and x.is_of_spans and x.feature],
            sum(_n_annotations(line, name, columns) for line in every),
        )
        for name in dict.fromkeys(one.layer for one in columns if one.is_of_spans)
    }
    layer, feature = chosen_layer(counts, settings.layer)
    others = [one.layer for one in columns if one.layer != layer]
    findings.notes[OTHER_LAYERS] += sum(
        _n_annotations(line, name, columns) for name in set(others) for line in every
    )
    tokens = [line for line in every if line.is_token]
    if not tokens:
        raise UserError("There are no tokens.")
    words, spaces, offsets = _words(sentences, tokens, findings)
    chosen = LayerColumn(layer, feature, True)
    column = columns.index(chosen) if chosen in columns else None
    entities: tuple[RawMention, ...] = ()
    if column is not None:
        entities = tuple(_mentions(every, column, feature or short_name(layer), feature, offsets))
    findings.notes[NO_ENTITY] += not entities
    new = {offsets[0][0]}
    new.update(
        offset[0]
        for (before, line), offset in zip(pairwise(tokens), offsets[1:])
        if before.sentence != line.sentence
    )
    whole, places = placed(words, spaces)
    return Record(
        str(path),
        whole,
        words,
        spaces,
        [start in new for start, _ in places] if len(new) > 1 else None,
        entities=entities,
    )


def _parsed(lines: Sequence[str]) -> tuple[list[LayerColumn], list[SentenceLines]]:
    """The columns of a file, and its sentences."""
    columns: list[LayerColumn] = []
    sentences: list[SentenceLines] = []
    for number, line in enumerate(lines[1:], start=2):
        line = line.rstrip("\r")
        layer = LAYER.fullmatch(line)
        if layer and not sentences:
            columns += _columns(*layer.groups())
        elif line.startswith(SENTENCE_TEXT):
            if not sentences or sentences[-1].lines:
                sentences.append(SentenceLines())
            sentences[-1].text.append(_unescaped(line.removeprefix(SENTENCE_TEXT)))
        elif line.strip() and not line.startswith("#"):
            if not sentences:
                sentences.append(SentenceLines())
            sentences[-1].lines.append(_line(number, line, len(columns)))
    return columns, sentences


def _columns(kind: str, layer: str, features: str) -> Iterator[LayerColumn]:
    """The columns of a layer. Two that link to other annotations are none of its features."""
    names = features.split("|")
    for i, name in enumerate(names):
        is_link = any(one.startswith(OF_LINKS) for one in names[max(i - 1, 0) : i + 1])
        yield LayerColumn(layer, name or None, kind == "SP" and not is_link)


def _line(number: int, line: str, n_columns: int) -> Line:
    cells = line.split("\t")
    token, offsets = (
        TOKEN_NUMBER.fullmatch(cells[0]),
        OFFSETS.fullmatch(cells[1] if cells[1:] else ""),
    )
    if token is None or offsets is None or len(cells) < FIRST_COLUMN + n_columns:
        raise UserError(
            f"Line {number} is {line!r:.60}, which is no token with {n_columns} columns of "
            f"annotation."
        )
    start, end = map(int, offsets.groups())
    of_token = cells[FIRST_COLUMN : FIRST_COLUMN + n_columns]
    return Line(number, int(token[1]), token[3] is None, start, end, _unescaped(cells[2]), of_token)


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda found: CONTROLS.get(found[1], found[1]), text)


def _n_annotations(line: Line, layer: str, columns: Sequence[LayerColumn]) -> int:
    of_layer = [cell for cell, one in zip(line.cells, columns) if one.layer == layer]
    return any(cell != NOTHING for cell in of_layer)


def _words(
    sentences: Sequence[SentenceLines], tokens: Sequence[Line], findings: Findings
) -> tuple[list[str], list[bool], list[Offsets]]:
    """The tokens of a document, whether a blank follows each, and where those of the file are."""
    words = [token.word for token in tokens]
    gaps = [after.start - before.end for before, after in pairwise(tokens)]
    if "" in words or any(gap < 0 for gap in gaps):
        raise UserError("A token is empty or begins before the end of the one in front of it.")
    text, end = "", tokens[0].start
    for sentence in sentences:
        of_sentence = [line for line in sentence.lines if line.is_token]
        text += " " if of_sentence and of_sentence[0].start > end else ""
        text += "\n".join(sentence.text).strip()
        end = of_sentence[-1].end if of_sentence else end
    try:
        return align_words(text, words)
    except UserError:
        findings.notes["documents whose white space is known by its length alone"] += 1
        spaces = [gap > 0 for gap in [*gaps, 0]]
        return words, spaces, placed(words, spaces)[1]


def _mentions(
    lines: Sequence[Line],
    column: int,
    name: str,
    feature: str | None,
    offsets: Sequence[Offsets],
) -> Iterator[RawMention]:
    """The entities of a column, each from its first to its last token or part of one."""
    found: dict[tuple[str, ...], tuple[str | None, list[Offsets]]] = {}
    n_tokens = 0
    token = lines[0]
    for line in lines:
        if line.is_token:
            n_tokens, token = n_tokens + 1, line
        where = _place(line, token, offsets[n_tokens - 1])
        cell = line.cells[column]
        for i, part in enumerate([] if cell == NOTHING else PARTS.findall(cell)):
            numbered = NUMBERED.fullmatch(part)
            value = numbered[1] if numbered else part
            key = (numbered[2],) if numbered else (str(line.number), str(i))
            none = name if feature is None else None
            label = none if value == UNSET else _unescaped(value)
            found.setdefault(key, (label, []))[1].append(where)
    for label, places in found.values():
        start, end = min(start for start, _ in places), max(end for _, end in places)
        yield RawMention(((start, end),), label)


def _place(line: Line, token: Line, offsets: Offsets) -> Offsets:
    """Where a line is in the text: a token, or the part of one that has its offsets."""
    if line is token:
        return offsets
    units = token.word.encode("utf-16-le")
    start, end = (
        len(units[: 2 * max(offset - token.start, 0)].decode("utf-16-le", errors="ignore"))
        for offset in (line.start, line.end)
    )
    return offsets[0] + start, offsets[0] + end


def _detect(sample: FileSample) -> bool:
    return bool(sample.lines) and sample.lines[0].startswith(FORMAT + VERSION)


register(Format("webanno", read_webanno, None, (".tsv",), detect=_detect))
