"""The lines of a file of columns, and the cells that each consists of."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...common.files import BOM
from ..csv_cells import with_long_cells
from .records import Findings
from .settings import ColumnSettings

DOCSTART = "-DOCSTART-"
TAG = re.compile(r"O|[BILUESMW]-\S+|[?-]")
HEADERS = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "ne", "entity", "iob"}
WORD_HEADERS = {"word", "words", "token", "tokens"}
METADATA = re.compile(r"\S*\s*[\w.:-]+ ?=")  # such as "# sent_id = 1"
LINE_TO_LOOK_AT = 300  # characters
# A word with its tag, and a part of speech perhaps, where a line has all words of a sentence
WORD_IN_LINE = re.compile(r"\S+\|(?:O|[BILUESMW]-[^|\s]+|[?-])")
BLANKS = " \t"
QUOTING = (",", ";")  # separators of CSV
# Some tools write \r\r\n: an empty line after each word is not meant
LINE_END = re.compile(r"\r{0,3}\n|\r")
MOST = 0.9  # of lines or sentences, to say so of a file


class Row(NamedTuple):
    """A line of a file, and the cells that it consists of: none if it is empty."""

    line: int
    text: str
    cells: list[str]


def rows_of(
    path: Path, text: str, settings: ColumnSettings, findings: Findings
) -> tuple[list[Row], ColumnSettings, bool]:
    """The lines of a file but for comments and a header, and what the header says.

    That is where the columns are, and whether the first one has numbers of sentences.
    """
    # Python's own split knows separators of lines and columns that may be part of a word
    found = LINE_END.split(text)
    separator = settings.separator or ("," if path.suffix.lower() == ".csv" else None)
    lines = [_without_mark(line, separator) for line in found]
    changed = sum(one != other for one, other in zip(found[1:], lines[1:]))
    findings.notes["byte order marks at the beginning of a line left out"] += changed
    if settings.separator in (None, "|") and have_all_words(lines):
        rows = _words_in(lines)
    else:
        if separator is None:
            separator = _separator(lines, settings)
            lines = [line.rstrip(BLANKS) for line in lines]
        rows = [Row(i, line, _cells(line, separator)) for i, line in enumerate(lines, start=1)]
    if settings.comment:
        rows = _without_comments(rows, settings.comment, settings, findings)
    first = next((i for i, row in enumerate(rows) if row.cells), None)
    if first is None:
        return rows, settings, False
    named = _named_by_header(rows[first], settings)
    if cell_of(rows[first], named.tags[0]).lower() in HEADERS:
        findings.notes["header lines left out"] += 1
        counts_sentences = rows.pop(first).cells[0].lower().startswith("sent")
        return rows, named, counts_sentences
    return rows, settings, False


def _named_by_header(header: Row, settings: ColumnSettings) -> ColumnSettings:
    """The columns that a header names, if it is one: each only where no other was named."""
    names = [cell.lower() for cell in header.cells]
    words = [i for i, name in enumerate(names) if name in WORD_HEADERS]
    tags = [i for i, name in enumerate(names) if name in HEADERS]
    if len(words) != 1 or not tags:
        return settings
    if settings.word == 0:
        settings = settings._replace(word=words[0])
    if settings.tags == (-1,) and len(tags) == 1:
        settings = settings._replace(tag=tags[0])
    return settings


def have_all_words(lines: Sequence[str]) -> bool:
    """Tell whether lines have a sentence each, as `Ada|NNP|B-PER sang|VBD|O`."""
    of_words = [line.split() for line in lines if line.strip()]
    like_that = [words for words in of_words if all(map(WORD_IN_LINE.fullmatch, words))]
    has_several = sum(len(words) > 1 for words in like_that) > len(of_words) / 2
    return has_several and len(like_that) >= MOST * len(of_words)


def _words_in(lines: Sequence[str]) -> list[Row]:
    """A row for each word of lines that have a sentence each, and an empty one after each line."""
    n_columns = most_frequent([word.count("|") for line in lines for word in line.split()]) + 1
    rows = []
    for i, line in enumerate(lines, start=1):
        # A word may have the sign that parts the columns
        rows += [Row(i, word, word.rsplit("|", n_columns - 1)) for word in line.split()]
        rows.append(Row(i, "", []))
    return rows


def _without_mark(line: str, separator: str | None) -> str:
    """The line without a byte order mark in front, unless that is the word."""
    rest = line.removeprefix(BOM)
    return line if rest[:1].isspace() or rest.startswith(separator or "\t") else rest


def _cells(line: str, separator: str | None) -> list[str]:
    if not line.strip():
        return []
    if separator is None:
        return re.findall(r"[^ \t]+", line)
    cells = line.split(separator)
    if separator in QUOTING and '"' in line:
        with suppress(csv.Error):  # it is not CSV, and the quote is a word
            reader = csv.reader([line], delimiter=separator, strict=True)
            cells = next(with_long_cells(reader))
    cells = [cell.strip(" ") for cell in cells]
    return cells if any(cells) else []


def _separator(lines: Sequence[str], settings: ColumnSettings) -> str | None:
    """Tabs, if words have blanks or are empty and so only tabs give all lines as many columns."""
    comment = settings.comment or DOCSTART
    full = [x for x in lines if x.strip() and not x.startswith((comment, DOCSTART))]
    if not any("\t" in line for line in full):
        return None
    n_like_most = {
        separator: Counter(len(_cells(x.rstrip(BLANKS), separator)) for x in full).most_common(1)[0]
        for separator in (None, "\t")
    }
    n_columns, n_by_tabs = n_like_most["\t"]
    return "\t" if n_columns > 1 and n_by_tabs > n_like_most[None][1] else None


def _without_comments(
    rows: Sequence[Row], comment: str, settings: ColumnSettings, findings: Findings
) -> list[Row]:
    """The rows but for comments. A line that looks like the others is a token: `#` is one, too."""
    others = [len(row.cells) for row in rows if row.cells and not row.text.startswith(comment)]
    n_columns = most_frequent(others)
    kept = []
    for row in rows:
        if row.text.startswith(comment):
            has_tag = TAG.fullmatch(cell_of(row, settings.tags[0]))
            is_like_others = len(row.cells) == n_columns and has_tag
            if not is_like_others or METADATA.match(row.text[:LINE_TO_LOOK_AT]):
                continue
            findings.notes["lines that begin like a comment read as tokens"] += 1
        kept.append(row)
    return kept


def most_frequent(values: Sequence[int]) -> int:
    """Return the most frequent of numbers; 0 if there is none."""
    return Counter(values).most_common(1)[0][0] if values else 0


def cell_of(row: Row, column: int) -> str:
    """The cell of a column; "" if there is none."""
    try:
        return row.cells[column]
    except IndexError:
        return ""


def is_docstart(row: Row, settings: ColumnSettings) -> bool:
    """Tell whether a document begins with a row."""
    return DOCSTART in (cell_of(row, 0), cell_of(row, settings.word))
