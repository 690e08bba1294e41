"""Where the words and tags of a file of columns are, and a look at whether it is they.

Files of columns say nothing of themselves, so that a wrong column would give wrong words or tags
without an error. What can be told from the cells is told here.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ...common.errors import UserError
from ...common.files import BOM
from ..csv_cells import with_long_cells
from .records import Findings
from .settings import ColumnSettings

UNKNOWN = ("?", "-")
DOCSTART = "-DOCSTART-"
NO_POS = "-"
TAG = re.compile(r"O|[BILUESMW]-\S+|[?-]")
LABELLED = re.compile(r"[BILUESMW]-\S+|(?:.*\|)?(?:name|ner|ne)=[BILUESMW]-.+", re.IGNORECASE)
CELL_END = re.compile(r"[ \t]+|[,;]")
SEVERAL = re.compile(r"[,;|/]")  # between the tags of several annotators
IN_FEATURES = re.compile(r"(?:^|.*\|)(?:name|ner|ne)=([^|]+)(?:\|.*)?", re.IGNORECASE)  # CoNLL-U
FEATURES = re.compile(r"_|[^=|]+=[^|]*(?:\|[^=|]+=[^|]*)*")
BMES_TO_BIOES = str.maketrans("MW", "IS")
HEADERS = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "ne", "entity", "iob"}
WORD_HEADERS = {"word", "words", "token", "tokens"}
# A cell of these in front of the word starts a sentence: "Sentence: 1"
SENTENCE = re.compile(r"sentence\W*\d+", re.IGNORECASE)
# Tokens of CoNLL-U that others make up or that are not in the text
NOT_A_WORD = re.compile(r"\d+[-.]\d+")
METADATA = re.compile(r"\S*\s*[\w.:-]+ ?=")  # such as "# sent_id = 1"
# Labels of chunks, which have tags too
CHUNKS = {"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"}
CHUNKS |= {"NC", "VC", "PC"}  # as in German
BETWEEN_IN_LABEL_STUDIO = ["-X-", "_"]  # word and tag
ONE_WORD = "sentences of one word each: is there an empty line after every word?"
GERMEVAL_TAGS = (2, 3)
GERMEVAL_SOURCE = "#"  # what lines of GermEval 2014 begin with that say where a sentence is from
LINE_TO_LOOK_AT = 300  # characters
# A word with its tag, and a part of speech perhaps, where a line has all words of a sentence
WORD_IN_LINE = re.compile(r"\S+\|(?:O|[BILUESMW]-[^|\s]+|[?-])")
WORDS_IN_ONE_LINE = re.compile(r"\S+\|(?:O|[BI]-\S+)( \S+\|(?:O|[BI]-\S+))+")
BLANKS = " \t"
QUOTING = (",", ";")  # separators of CSV
# Some tools write \r\r\n: an empty line after each word is not meant
LINE_END = re.compile(r"\r{0,3}\n|\r")
# A label in the place of a tag, and what looks like a tag of another kind
PLAIN_LABEL = re.compile(r"[^\W\d_][\w./&+-]*")
TAG_OF_ANOTHER_KIND = re.compile(r"[BILUESMW](?:[-_].*)?|.*[-_][BILUESMW]", re.IGNORECASE)
MOST_PLAIN_LABELS = 100
LEAST_OUTSIDE = 0.2  # of lines; where fewer are O, it is no tag
PLAIN = "tags without a prefix, of which neighbours with one label were read as one entity"
MOST = 0.9  # of lines or sentences, to say so of a file


class Token(NamedTuple):
    """A line of a file.

    Attributes:
        line: Its number.
        word: The word; "" if there is none.
        tags: The tag in each of the columns of tags; one of `UNKNOWN` where there is a problem.
        pos: The part of speech.
        problem: What is wrong with it; "" if nothing is.
        is_disputed: Whether it has tags that contradict one another.
    """

    line: int
    word: str
    tags: tuple[str, ...]
    pos: str = NO_POS
    problem: str = ""
    is_disputed: bool = False


class Row(NamedTuple):
    """A line of a file, and the cells that it consists of: none if it is empty."""

    line: int
    text: str
    cells: list[str]


Sentence = list[Token]
Document = tuple[int, list[Sentence]]  # the line that it starts on


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


def documents_of(
    path: Path,
    text: str,
    settings: ColumnSettings,
    findings: Findings,
    keeps_overlaps: bool = False,
) -> list[Document]:
    """Find the tokens, sentences and documents of a file.

    Args:
        path: The file.
        text: What is in it.
        settings: Where the columns are.
        findings: Gets notes of the lines that are left out.
        keeps_overlaps: Whether entities may overlap. If so, the columns of GermEval 2014 are found.

    Raises:
        UserError: If no line is a word with a tag, or the columns hold something else.
    """
    rows, settings, counts_sentences = _rows(path, text, settings, findings)
    is_germeval = _is_germeval(rows, settings)
    if keeps_overlaps and is_germeval:
        settings = settings._replace(word=1, tag=GERMEVAL_TAGS)
        rows = [row for row in rows if not row.text.startswith(GERMEVAL_SOURCE)]
    full = [row for row in rows if row.cells and not _is_docstart(row, settings)]
    if not full:
        return []
    layout = _layout(full, settings)
    findings.notes[PLAIN] += sum(
        _cell(row, column) not in ("O", *UNKNOWN) for column in layout.plain for row in full
    )
    is_numbered = settings.word != 0 and _is_of_numbers(layout.columns[0])
    docs: list[Document] = [(1, [[]])]
    started = ""  # what the cell in front of the words had where the sentence began
    for row in rows:
        if not row.cells:
            docs[-1][1].append([])
        elif _is_docstart(row, settings):
            docs.append((row.line, [[]]))
        elif is_numbered and NOT_A_WORD.fullmatch(row.cells[0]):
            findings.notes["lines of CoNLL-U that are no words left out"] += 1
        else:
            first = row.cells[0]
            is_sentence = first if counts_sentences else SENTENCE.fullmatch(first)
            if settings.word != 0 and is_sentence and first != started:
                docs[-1][1].append([])
                started = first
            docs[-1][1][-1].append(_token(row, layout))
    sentences = [sentence for _, of_doc in docs for sentence in of_doc if sentence]
    tokens = [token for sentence in sentences for token in sentence]
    if tokens and all(token.problem and not token.is_disputed for token in tokens):
        first_line, more = tokens[0], len(tokens) - 1
        others = f" The same goes for the {more:,} other lines." if more else ""
        raise UserError(f"{path}:{first_line.line}: {first_line.problem}{others}")
    _check_words(path, sentences, layout)
    _check_tags(path, layout, keeps_overlaps, is_germeval)
    if len(sentences) > 2 and all(len(sentence) == 1 for sentence in sentences):
        findings.notes[ONE_WORD] += len(sentences)
    findings.notes["lines without a word left out"] += sum(not token.word for token in tokens)
    # Label Studio has one such line, and a text in each block
    is_one = len(docs) == 2 and not any(docs[0][1])
    of_tasks = is_one and all(row.cells[1:-1] == BETWEEN_IN_LABEL_STUDIO for row in full)
    return _with_sentences(docs, has_docstarts=len(docs) > 1 and not of_tasks)


def _with_sentences(docs: Sequence[Document], has_docstarts: bool) -> list[Document]:
    """The documents without what is empty. Without lines of their own, sentences are documents."""
    found: list[Document] = []
    for line, sentences in docs:
        full = [sentence for sentence in sentences if any(token.word for token in sentence)]
        if has_docstarts and full:
            # Some files begin with a document, and only the others have their line
            found.append((line, full))
        else:
            found += [(sentence[0].line, [sentence]) for sentence in full]
    return found


def _rows(
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
    if settings.separator in (None, "|") and _have_all_words(lines):
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
    if _cell(rows[first], named.tags[0]).lower() in HEADERS:
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


def _have_all_words(lines: Sequence[str]) -> bool:
    """Tell whether lines have a sentence each, as `Ada|NNP|B-PER sang|VBD|O`."""
    of_words = [line.split() for line in lines if line.strip()]
    like_that = [words for words in of_words if all(map(WORD_IN_LINE.fullmatch, words))]
    has_several = sum(len(words) > 1 for words in like_that) > len(of_words) / 2
    return has_several and len(like_that) >= MOST * len(of_words)


def _words_in(lines: Sequence[str]) -> list[Row]:
    """A row for each word of lines that have a sentence each, and an empty one after each line."""
    n_columns = _most_frequent([word.count("|") for line in lines for word in line.split()]) + 1
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
    n_columns = _most_frequent(others)
    kept = []
    for row in rows:
        if row.text.startswith(comment):
            has_tag = TAG.fullmatch(_cell(row, settings.tags[0]))
            is_like_others = len(row.cells) == n_columns and has_tag
            if not is_like_others or METADATA.match(row.text[:LINE_TO_LOOK_AT]):
                continue
            findings.notes["lines that begin like a comment read as tokens"] += 1
        kept.append(row)
    return kept


def _most_frequent(values: Sequence[int]) -> int:
    return Counter(values).most_common(1)[0][0] if values else 0


def _cell(row: Row, column: int) -> str:
    """The cell of a column; "" if there is none."""
    try:
        return row.cells[column]
    except IndexError:
        return ""


def _is_docstart(row: Row, settings: ColumnSettings) -> bool:
    return DOCSTART in (_cell(row, 0), _cell(row, settings.word))


def _layout(rows: Sequence[Row], settings: ColumnSettings) -> Layout:
    n_columns = _most_frequent([len(row.cells) for row in rows])
    like_most = [row for row in rows if len(row.cells) == n_columns]
    columns = [Counter(row.cells[i] for row in like_most) for i in range(n_columns)]
    without_tag: dict[int, str | None] = {}
    for column in settings.tags:
        in_features = [IN_FEATURES.fullmatch(_cell(row, column)) for row in like_most]
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
    if _have_all_words(lines):
        return True
    rows = [CELL_END.split(line.strip(BLANKS)) for line in lines if not line.startswith("#")]
    rows = [cells for cells in rows if DOCSTART not in cells]
    rows = rows[1:] if rows and HEADERS & {cell.lower() for cell in rows[0]} else rows
    n_columns = _most_frequent([len(cells) for cells in rows])
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


def _is_of_numbers(cells: Counter[str]) -> bool:
    return sum(n for cell, n in cells.items() if cell.isdecimal()) > sum(cells.values()) / 2


def _has_tags(cells: Counter[str]) -> bool:
    """Tell whether a column has tags of entities, and not of chunks."""
    n_tags = sum(n for cell, n in cells.items() if TAG.fullmatch(cell))
    labels = {cell[2:] for cell in cells if TAG.fullmatch(cell) and cell[2:]}
    return n_tags >= MOST * sum(cells.values()) and not labels <= CHUNKS


def _is_germeval(rows: Sequence[Row], settings: ColumnSettings) -> bool:
    """Tell whether the columns are those of GermEval 2014, unless others were named.

    They are a number that counts, the word, and the tags of outer and of inner entities.
    """
    full = [row for row in rows if row.cells and not row.text.startswith(GERMEVAL_SOURCE)]
    n_columns = _most_frequent([len(row.cells) for row in full])
    is_named = settings.word not in (0, 1) or settings.tags not in ((-1,), GERMEVAL_TAGS)
    if n_columns != 4 or is_named:
        return False
    numbers, _, outer, inner = _layout(full, settings).columns
    is_inner = set(inner) == {"O"} or _has_tags(inner)
    return _is_of_numbers(numbers) and _has_tags(outer) and is_inner


def _token(row: Row, layout: Layout) -> Token:
    settings = layout.settings
    word = _cell(row, settings.word)
    pos = NO_POS if settings.pos is None else _cell(row, settings.pos)
    unknown = (UNKNOWN[0],) * len(settings.tags)
    has_as_many = len(row.cells) == layout.n_columns and layout.n_columns > 1
    # A word with a blank, say, would move all that come after it
    is_like_others = has_as_many and not _has_all_words(row)
    tags = []
    for column in settings.tags:
        cell = _cell(row, column)
        is_label = column in layout.plain and PLAIN_LABEL.fullmatch(cell) and cell != "O"
        tag = f"I-{cell}" if is_label else _tag(cell, layout.without_tag[column])
        parts = SEVERAL.split(cell)
        if is_like_others and len(parts) > 1 and all(map(TAG.fullmatch, parts)):
            if len(set(parts)) > 1:
                message = f"{word!r} is tagged {cell}, which contradicts itself."
                return Token(row.line, word, unknown, pos, message, is_disputed=True)
            tag = parts[0]
        if not is_like_others or tag is None or not pos:
            problem = _problem(row, column, layout)
            return Token(row.line, word, unknown, pos, problem)
        tags.append(tag[0].translate(BMES_TO_BIOES) + tag[1:])
    return Token(row.line, word, tuple(tags), pos)


def _tag(cell: str, without_tag: str | None) -> str | None:
    """The tag that a cell is, or that is among its features; None if there is none."""
    found = IN_FEATURES.fullmatch(cell)
    if found and TAG.fullmatch(found[1]):
        return found[1]
    if without_tag is not None and FEATURES.fullmatch(cell):
        return without_tag
    return cell if TAG.fullmatch(cell) else None


def _problem(row: Row, column: int, layout: Layout) -> str:
    """What is wrong with a line that is no token."""
    hint = _hint(row, _cell(row, column), layout)
    if len(row.cells) == layout.n_columns or layout.n_columns < 2:
        return (
            f"{row.text.strip()!r:.80} must be a word and its tag (column {column}): O, B-X, I-X, "
            f"L-X, U-X, E-X, S-X, or ? for one that is not known.{hint}"
        )
    return (
        f"{row.text.strip()!r:.80} has {len(row.cells)} columns, but most lines have "
        f"{layout.n_columns}.{hint}"
    )


def _hint(row: Row, cell: str, layout: Layout) -> str:
    """What to do about a line that is no token; "" if nobody knows."""
    columns = [i for i in layout.tag_columns if i not in layout.tags]
    if row.text.startswith("#"):
        return " If it is a comment, say so: --comment '#'."
    if _has_all_words(row):
        return " This looks like word|pos|tag with all words on one line, unlike most lines."
    if re.match(r"[*(]", cell):
        return " This looks like the brackets of OntoNotes, which convert can't read."
    if columns:
        return f" Column {columns[0]} has tags: --tag-column {columns[0]}."
    return ""


def _has_all_words(row: Row) -> bool:
    return "|" in row.text and bool(WORDS_IN_ONE_LINE.search(row.text[:LINE_TO_LOOK_AT]))


def _check_words(path: Path, sentences: Sequence[Sentence], layout: Layout) -> None:
    """Check that the column of the words has words.

    Raises:
        UserError: If it has numbers, the same on all lines, tags, or mostly nothing.
    """
    column = layout.settings.word
    of_sentences = [[token.word for token in sentence] for sentence in sentences]
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


def _check_tags(path: Path, layout: Layout, keeps_overlaps: bool, is_germeval: bool) -> None:
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
        if not is_germeval:  # of which the columns are known
            options += [f"--tag-column {i}" for i in columns if i not in named]
        raise UserError(
            f"{path}: columns {', '.join(map(str, columns))} all have tags of entities. Name the "
            f"one to read: --tag-column {columns[0]}. If they are of entities that overlap, read "
            f"all: {' '.join(options)}."
        )
