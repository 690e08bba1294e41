"""Where the words and tags of a file of columns are, and a look at whether it is they.

Files of columns say nothing of themselves, so that a wrong column would give wrong words or tags
without an error. What can be told from the cells is told here.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ...common.errors import UserError
from .rows import BLANKS, DOCSTART, HEADERS, MOST, TAG, Row, cell_of, have_all_words, most_frequent
from .settings import ColumnSettings

UNKNOWN = ("?", "-")
LABELLED = re.compile(r"[BILUESMW]-\S+|(?:.*\|)?(?:name|ner|ne)=[BILUESMW]-.+", re.IGNORECASE)
CELL_END = re.compile(r"[ \t]+|[,;]")
IN_FEATURES = re.compile(r"(?:^|.*\|)(?:name|ner|ne)=([^|]+)(?:\|.*)?", re.IGNORECASE)  # CoNLL-U
# Labels of chunks, which have tags too
CHUNKS = {"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"}
CHUNKS |= {"NC", "VC", "PC"}  # as in German
GERMEVAL_TAGS = (2, 3)
GERMEVAL_SOURCE = "#"  # what lines of GermEval 2014 begin with that say where a sentence is from
# A label in the place of a tag, and what looks like a tag of another kind
PLAIN_LABEL = re.compile(r"[^\W\d_][\w./&+-]*")
TAG_OF_ANOTHER_KIND = re.compile(r"[BILUESMW](?:[-_].*)?|.*[-_][BILUESMW]", re.IGNORECASE)
MOST_PLAIN_LABELS = 100
LEAST_OUTSIDE = 0.2  # of lines; where fewer are O, it is no tag


class Layout(NamedTuple):
    """What is known of the columns of a file.

    Attributes:
        settings: Where they are.
        n_columns: How many there are on most lines.
        columns: How often each cell is in each of them.
        tag_columns: Those that have tags of entities.
        without_tag: For each column of the settings the tag of a line whose features name none;
            None if tags are no features.
        plain: The columns of the settings that have labels in the place of tags.
    """

    settings: ColumnSettings
    n_columns: int
    columns: list[Counter[str]]
    tag_columns: list[int]
    without_tag: dict[int, str | None]
    plain: set[int]

    @property
    def tags(self) -> set[int]:
        """The columns of tags that the settings name."""
        return {i if i >= 0 else i + self.n_columns for i in self.settings.tags}


def layout_of(rows: Sequence[Row], settings: ColumnSettings) -> Layout:
    """Find out what can be told of the columns from rows that are not empty."""
    n_columns = most_frequent([len(row.cells) for row in rows])
    like_most = [row for row in rows if len(row.cells) == n_columns]
    columns = [Counter(row.cells[i] for row in like_most) for i in range(n_columns)]
    without_tag: dict[int, str | None] = {}
    for column in settings.tags:
        in_features = [IN_FEATURES.fullmatch(cell_of(row, column)) for row in like_most]
        tags = {found[1] for found in in_features if found}
        # Where a file says of some that they are outside, nothing is known of the rest
        without_tag[column] = None if not tags else UNKNOWN[0] if "O" in tags else "O"
    tag_columns = [i for i, cells in enumerate(columns) if _has_tags(cells)]
    places = range(-n_columns, n_columns)
    plain = {i for i in settings.tags if i in places and _has_plain_labels(columns[i])}
    if tag_columns:  # beside which a label without a prefix is a mistake
        plain = set()
    return Layout(settings, n_columns, columns, tag_columns, without_tag, plain)


def _has_plain_labels(cells: Counter[str]) -> bool:
    """Tell whether a column has labels and O: tags without a prefix."""
    labels = cells.keys() - {"O", *UNKNOWN}
    are_labels = all(
        PLAIN_LABEL.fullmatch(cell) and not TAG_OF_ANOTHER_KIND.fullmatch(cell) for cell in labels
    )
    is_some_outside = cells["O"] >= LEAST_OUTSIDE * sum(cells.values())
    return are_labels and is_some_outside and 0 < len(labels) <= MOST_PLAIN_LABELS


def has_column_of_tags(lines: Sequence[str]) -> bool:
    """Tell whether lines that are not empty have a column of tags, beside others.

    Args:
        lines: The beginning of a file. Comments and a header do no harm.
    """
    if have_all_words(lines):
        return True
    rows = [CELL_END.split(line.strip(BLANKS)) for line in lines if not line.startswith("#")]
    rows = [cells for cells in rows if DOCSTART not in cells]
    rows = rows[1:] if rows and HEADERS & {cell.lower() for cell in rows[0]} else rows
    n_columns = most_frequent([len(cells) for cells in rows])
    last = Counter(cells[-1] for cells in rows if len(cells) == n_columns)
    if n_columns > 1 and last.total() >= MOST * len(rows) and _has_plain_labels(last):
        return True
    tagged = Counter(
        column
        for cells in rows
        if len(cells) > 1
        for i, cell in enumerate(cells)
        if TAG.fullmatch(cell) or IN_FEATURES.fullmatch(cell)
        for column in {i, i - len(cells)}
    )
    is_there = bool(tagged) and max(tagged.values()) >= MOST * len(rows)
    return is_there and any(LABELLED.fullmatch(cell) for cells in rows for cell in cells)


def is_of_numbers(cells: Counter[str]) -> bool:
    """Tell whether most cells of a column are numbers."""
    return sum(n for cell, n in cells.items() if cell.isdecimal()) > sum(cells.values()) / 2


def _has_tags(cells: Counter[str]) -> bool:
    """Tell whether a column has tags of entities, and not of chunks."""
    n_tags = sum(n for cell, n in cells.items() if TAG.fullmatch(cell))
    labels = {cell[2:] for cell in cells if TAG.fullmatch(cell) and cell[2:]}
    return n_tags >= MOST * sum(cells.values()) and not labels <= CHUNKS


def is_germeval(rows: Sequence[Row], settings: ColumnSettings) -> bool:
    """Tell whether the columns are those of GermEval 2014, unless others were named.

    They are a number that counts, the word, and the tags of outer and of inner entities.
    """
    full = [row for row in rows if row.cells and not row.text.startswith(GERMEVAL_SOURCE)]
    n_columns = most_frequent([len(row.cells) for row in full])
    is_named = settings.word not in (0, 1) or settings.tags not in ((-1,), GERMEVAL_TAGS)
    if n_columns != 4 or is_named:
        return False
    numbers, _, outer, inner = layout_of(full, settings).columns
    is_inner = set(inner) == {"O"} or _has_tags(inner)
    return is_of_numbers(numbers) and _has_tags(outer) and is_inner


def check_column_of_words(
    path: Path, of_sentences: Sequence[Sequence[str]], layout: Layout
) -> None:
    """Check that the column of the words has words.

    Args:
        path: The file.
        of_sentences: The words of each sentence.
        layout: What is known of the columns.

    Raises:
        UserError: If it has numbers, the same on all lines, tags, or mostly nothing.
    """
    column = layout.settings.word
    words = [word for sentence in of_sentences for word in sentence]
    several = [sentence for sentence in of_sentences if len(sentence) > 1]
    found = None
    if sum(map(_counts, several)) >= MOST * len(several) and all(map(_has_number, of_sentences)):
        found = f"counts {', '.join(words[:3])}, ..."
    elif words.count("") > len(words) / 2:
        found = "is empty on most lines"
    elif _has_tags(Counter(words)):
        found = "has tags"
    elif _are_all_alike(several) and len(layout.columns[_richest(layout)]) > len(set(words)):
        found = f"has {words[0]!r:.60} on every line of a sentence"
    if found is not None:
        raise UserError(
            f"{path}: column {column} {found}, so it does not hold the words. Name the column that "
            f"does, such as --word-column {_richest(layout)}."
        )


def _richest(layout: Layout) -> int:
    """The column with the most words, which are no numbers: most likely that of the words."""
    n_words = [sum(not cell.isdecimal() for cell in cells) for cells in layout.columns]
    of_tags = {*layout.tag_columns, *layout.tags}
    others = [i for i in range(layout.n_columns) if i not in of_tags]
    return max(others or [0], key=n_words.__getitem__)


def _are_all_alike(sentences: Sequence[Sequence[str]]) -> bool:
    """Tell whether each sentence has one word alone, and that several times."""
    return max(map(len, sentences), default=0) > 2 and all(len(set(x)) == 1 for x in sentences)


def _has_number(words: Sequence[str]) -> bool:
    return any(word.isdecimal() for word in words)


def _counts(words: Sequence[str]) -> bool:
    """Tell whether words are numbers, each one more than that before."""
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 10]
    is_most = len(numbers) > len(words) / 2 and len(numbers) > 1
    return is_most and all(b - a == 1 for a, b in pairwise(numbers))


def check_columns_of_tags(
    path: Path, layout: Layout, keeps_overlaps: bool, of_germeval: bool
) -> None:
    """Check that it is not a matter of guessing which of several columns of tags is meant.

    Raises:
        UserError: If there are some, and none was named, or one is named twice.
    """
    settings, columns = layout.settings, layout.tag_columns
    if len(layout.tags) < len(settings.tags):
        raise UserError(f"--tag-column names a column twice: {', '.join(map(str, settings.tags))}.")
    named = {settings.word, settings.pos}
    if settings.tags == (-1,) and len([i for i in columns if i not in named]) > 1:
        options = [] if keeps_overlaps else ["--overlaps keep"]
        if not of_germeval:  # of which the columns are known
            options += [f"--tag-column {i}" for i in columns if i not in named]
        raise UserError(
            f"{path}: columns {', '.join(map(str, columns))} all have tags of entities. Name the "
            f"one to read: --tag-column {columns[0]}. If they are of entities that overlap, read "
            f"all: {' '.join(options)}."
        )
