"""Attributes of tokens, as rows of embedding tables."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.attrs import IDS
from spacy.tokens import Doc
from spacy.vocab import Vocab

DIGIT = re.compile(r"\d")
CASING = "CASING"
CASINGS = ("other", "lower", "upper", "title", "mixed", "digits", "some digits")
# Rows of the table of an attribute of spaCy's, which its hashes are spread over
HASHED_ROWS = 2000
# Ids of clusters encode positions in a binary tree: they are large and few. Nearly all English ones
# have a row of their own in a table of this size
CLUSTER_ROWS = 5000
# Log-probabilities are rounded to whole nats; spaCy's tables have none below -20
LEAST_LOG_PROBABILITY = -30
FORMS: dict[str, Callable[[str], str]] = {
    "": str,
    "LOWER_": str.lower,
    "TITLE_": str.capitalize,
    "UPPER_": str.upper,
}


class Table(NamedTuple):
    """A table of `vocab.lookups`, and how to embed its values.

    Attributes:
        name: Name of the table.
        n_rows: Number of rows of the embedding table.
        row_of: Maps a value of a word to a row from 1 on. Row 0 is for words without a value.
    """

    name: str
    n_rows: int
    row_of: Callable[[Any], int]


def _row_of_probability(logarithm: float) -> int:
    return 1 - max(round(logarithm), LEAST_LOG_PROBABILITY)


def _row_of_cluster(cluster: int) -> int:
    # Words that are too rare for a cluster have the value 0
    return 1 + cluster % (CLUSTER_ROWS - 1) if cluster else 0


class Lexical(NamedTuple):
    """An attribute that is looked up in a table, for one form of the word.

    Attributes:
        table: The table.
        form: Turns a word into the form to look up.
    """

    table: Table
    form: Callable[[str], str]


TABLES = {
    "PROB": Table("lexeme_prob", 2 - LEAST_LOG_PROBABILITY, _row_of_probability),
    "CLUSTER": Table("lexeme_cluster", CLUSTER_ROWS, _row_of_cluster),
}
LEXICAL: dict[str, Lexical] = {
    f"{form}{name}": Lexical(table, written)
    for name, table in TABLES.items()
    for form, written in FORMS.items()
}


def check_attributes(attrs: Sequence[str]) -> None:
    """Check that attributes exist.

    Raises:
        ValueError: Naming those that don't.
    """
    unknown = [attr for attr in attrs if attr not in IDS and attr not in LEXICAL]
    if unknown:
        raise ValueError(
            f"There are no token attributes {unknown}. Use spaCy's, such as SHAPE or POS, or those "
            f"from lookup tables: {', '.join(LEXICAL)}."
        )


def check_tables(attrs: Sequence[str], vocab: Vocab) -> None:
    """Check that the vocabulary has the tables that attributes are looked up in.

    Raises:
        ValueError: Naming the missing table, and how to get it.
    """
    for attr in attrs:
        if attr in LEXICAL and not vocab.lookups.has_table(LEXICAL[attr].table.name):
            table = LEXICAL[attr].table.name
            raise ValueError(
                f"The attribute {attr} is read from the table '{table}' of vocab.lookups, which "
                f"the pipeline doesn't have. To train, install spacy-lookups-data and add to the "
                f"config "
                f'[initialize.lookups] @misc = "spacy.LookupsDataLoader.v1", lang = '
                f'"{vocab.lang}", tables = ["{table}"]. A trained pipeline keeps its '
                f"tables in its folder, in vocab/lookups.bin."
            )


def count_rows(attr: str) -> int:
    """Return the number of rows of the embedding table of an attribute."""
    if attr == CASING:
        return len(CASINGS)
    return LEXICAL[attr].table.n_rows if attr in LEXICAL else HASHED_ROWS


def rows_of_tokens(
    attrs: Sequence[str], docs: list[Doc], texts: list[str], of_token: np.ndarray
) -> np.ndarray:
    """Return the rows of the attributes of tokens.

    Args:
        attrs: The attributes.
        docs: The docs.
        texts: Their distinct words.
        of_token: Index of each token's word, int64 [n_tokens].

    Returns:
        int64 [n_tokens, n_attributes].
    """
    columns = []
    for attr in attrs:
        if attr == CASING:
            of_word = [CASINGS.index(casing_of(text)) for text in texts]
            columns.append(np.array(of_word, dtype=np.int64)[of_token])
        elif attr in LEXICAL:
            of_word = _looked_up(LEXICAL[attr], docs[0].vocab, texts)
            columns.append(np.array(of_word, dtype=np.int64)[of_token])
        else:
            values = np.concatenate([doc.to_array(attr) for doc in docs])
            columns.append((values % HASHED_ROWS).astype(np.int64))
    return np.stack(columns, 1) if columns else np.zeros((len(of_token), 0), dtype=np.int64)


def casing_of(text: str) -> str:
    """Return how a word is capitalized: one of CASINGS."""
    if text.isdigit():
        return "digits"
    if DIGIT.search(text):
        return "some digits"
    if text.islower():
        return "lower"
    if text.isupper():
        return "upper"
    if text.istitle():
        return "title"
    return "mixed" if text.upper() != text.lower() else "other"


def _looked_up(attr: Lexical, vocab: Vocab, texts: list[str]) -> list[int]:
    """Return the row of each word, 0 if its form is not in the table."""
    table, row_of = vocab.lookups.get_table(attr.table.name), attr.table.row_of
    found = (table.get(attr.form(text)) for text in texts)
    return [0 if value is None else row_of(value) for value in found]
