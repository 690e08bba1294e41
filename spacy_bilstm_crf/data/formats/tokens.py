"""The tokens, sentences and documents of a file of columns."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...common.errors import UserError
from .layout import (
    GERMEVAL_SOURCE,
    GERMEVAL_TAGS,
    IN_FEATURES,
    PLAIN_LABEL,
    UNKNOWN,
    Layout,
    check_column_of_words,
    check_columns_of_tags,
    is_germeval,
    is_of_numbers,
    layout_of,
)
from .records import Findings
from .rows import LINE_TO_LOOK_AT, TAG, Row, cell_of, is_docstart, rows_of
from .settings import ColumnSettings

NO_POS = "-"
SEVERAL = re.compile(r"[,;|/]")  # between the tags of several annotators
FEATURES = re.compile(r"_|[^=|]+=[^|]*(?:\|[^=|]+=[^|]*)*")
BMES_TO_BIOES = str.maketrans("MW", "IS")
# A cell of these in front of the word starts a sentence: "Sentence: 1"
SENTENCE = re.compile(r"sentence\W*\d+", re.IGNORECASE)
# Tokens of CoNLL-U that others make up or that are not in the text
NOT_A_WORD = re.compile(r"\d+[-.]\d+")
BETWEEN_IN_LABEL_STUDIO = ["-X-", "_"]  # word and tag
ONE_WORD = "sentences of one word each: is there an empty line after every word?"
WORDS_IN_ONE_LINE = re.compile(r"\S+\|(?:O|[BI]-\S+)( \S+\|(?:O|[BI]-\S+))+")
PLAIN = "tags without a prefix, of which neighbours with one label were read as one entity"


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


Sentence = list[Token]
Document = tuple[int, list[Sentence]]  # the line that it starts on


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
    rows, settings, counts_sentences = rows_of(path, text, settings, findings)
    of_germeval = is_germeval(rows, settings)
    if keeps_overlaps and of_germeval:
        settings = settings._replace(word=1, tag=GERMEVAL_TAGS)
        rows = [row for row in rows if not row.text.startswith(GERMEVAL_SOURCE)]
    full = [row for row in rows if row.cells and not is_docstart(row, settings)]
    if not full:
        return []
    layout = layout_of(full, settings)
    findings.notes[PLAIN] += sum(
        cell_of(row, column) not in ("O", *UNKNOWN) for column in layout.plain for row in full
    )
    docs = _with_empty_sentences(rows, layout, counts_sentences, findings)
    sentences = [sentence for _, of_doc in docs for sentence in of_doc if sentence]
    tokens = [token for sentence in sentences for token in sentence]
    if tokens and all(token.problem and not token.is_disputed for token in tokens):
        first_line, more = tokens[0], len(tokens) - 1
        others = f" The same goes for the {more:,} other lines." if more else ""
        raise UserError(f"{path}:{first_line.line}: {first_line.problem}{others}")
    check_column_of_words(
        path, [[token.word for token in sentence] for sentence in sentences], layout
    )
    check_columns_of_tags(path, layout, keeps_overlaps, of_germeval)
    if len(sentences) > 2 and all(len(sentence) == 1 for sentence in sentences):
        findings.notes[ONE_WORD] += len(sentences)
    findings.notes["lines without a word left out"] += sum(not token.word for token in tokens)
    # Label Studio has one such line, and a text in each block
    is_one = len(docs) == 2 and not any(docs[0][1])
    of_tasks = is_one and all(row.cells[1:-1] == BETWEEN_IN_LABEL_STUDIO for row in full)
    return _with_sentences(docs, has_docstarts=len(docs) > 1 and not of_tasks)


def _with_empty_sentences(
    rows: Sequence[Row], layout: Layout, counts_sentences: bool, findings: Findings
) -> list[Document]:
    """The documents, which begin where a row says so, and of which sentences may be empty."""
    starts_sentences = layout.settings.word != 0
    is_numbered = starts_sentences and is_of_numbers(layout.columns[0])
    docs: list[Document] = [(1, [[]])]
    started = ""  # what the cell in front of the words had where the sentence began
    for row in rows:
        if not row.cells:
            docs[-1][1].append([])
        elif is_docstart(row, layout.settings):
            docs.append((row.line, [[]]))
        elif is_numbered and NOT_A_WORD.fullmatch(row.cells[0]):
            findings.notes["lines of CoNLL-U that are no words left out"] += 1
        else:
            first = row.cells[0]
            is_sentence = first if counts_sentences else SENTENCE.fullmatch(first)
            if starts_sentences and is_sentence and first != started:
                docs[-1][1].append([])
                started = first
            docs[-1][1][-1].append(_token(row, layout))
    return docs


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


def _token(row: Row, layout: Layout) -> Token:
    settings = layout.settings
    word = cell_of(row, settings.word)
    pos = NO_POS if settings.pos is None else cell_of(row, settings.pos)
    unknown = (UNKNOWN[0],) * len(settings.tags)
    has_as_many = len(row.cells) == layout.n_columns and layout.n_columns > 1
    # A word with a blank, say, would move all that come after it
    is_like_others = has_as_many and not _has_all_words(row)
    tags = []
    for column in settings.tags:
        cell = cell_of(row, column)
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
    hint = _hint(row, cell_of(row, column), layout)
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
