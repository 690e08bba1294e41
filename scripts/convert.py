"""CoNLL columns -> spaCy's format, with annotation that is missing.

The word is in the first column, its tag in the last: IOB1, IOB2, BILUO or BIOES. The tags `?` and
`-` say that nothing is known of that token, which is not the same as `O`. An entity that may go on
in such a token is not known either. Without -DOCSTART- lines each sentence is a doc.

    python scripts/convert.py COLUMNS OUT
"""

import re
import sys
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Tuple

import spacy
import typer
from spacy.tokens import Doc, DocBin, Span

MISSING = ("?", "-")
DOCSTART = "-DOCSTART-"
TAG = re.compile(r"O|[BILUES]-\S+|[?-]")
BIOES_TO_BILUO = str.maketrans("ES", "LU")
VOCAB = spacy.blank("xx").vocab


class Token(NamedTuple):
    """A line of a file."""

    word: str
    pos: str  # the second of more than two columns
    tag: str


Sentence = List[Token]


def read(text: str) -> Iterator[List[Sentence]]:
    """Split a file's text into docs of sentences.

    Raises:
        ValueError: Naming the line that is no word with a tag.
    """
    docs: List[List[Sentence]] = [[[]]]
    has_docstarts = False
    # Python's own split knows separators of lines and columns that may be part of a word
    for number, line in enumerate(text.split("\n"), start=1):
        columns = re.findall(r"[^ \t\r]+", line)
        if columns and columns[0] == DOCSTART:
            has_docstarts = True
            docs.append([[]])
        elif not columns:
            docs[-1].append([])
        elif len(columns) < 2 or not TAG.fullmatch(columns[-1]):
            raise ValueError(
                f"line {number} is {line.strip()!r}, but it must be a word and, in the last "
                f"column, its tag: O, B-X, I-X, L-X, U-X, E-X, S-X, or ? for one that is not known."
            )
        else:
            pos = columns[1] if len(columns) > 2 else "-"
            docs[-1][-1].append(Token(columns[0], pos, columns[-1]))
    for sentences in docs:
        full = [sentence for sentence in sentences if sentence]
        if full:
            yield from [full] if has_docstarts else [[sentence] for sentence in full]


def spans_of(tags: List[str]) -> Tuple[List[Tuple[int, int, str]], List[int]]:
    """Entities of a sentence, as start, end and label, and the tokens that are not known."""
    tags = [tag if tag in MISSING else tag[0].translate(BIOES_TO_BILUO) + tag[1:] for tag in tags]
    spans, unknown = [], [i for i, tag in enumerate(tags) if tag in MISSING]
    start = 0
    while start < len(tags):
        label, end = tags[start][2:], start + 1
        if not label:
            start = end
            continue
        while tags[end - 1][0] not in "LU" and end < len(tags) and tags[end][2:] == label:
            if tags[end][0] not in "IL":
                break
            end += 1
        # Without a tag that says so, it may have begun or may go on in a token of no tag
        begins = tags[start][0] in "BU" or start == 0 or tags[start - 1] not in MISSING
        ends = tags[end - 1][0] in "LU" or end == len(tags) or tags[end] not in MISSING
        if begins and ends:
            spans.append((start, end, label))
        else:
            unknown += range(start, end)
        start = end
    return spans, unknown


def doc_of(sentences: List[Sentence]) -> Doc:
    """A doc with its sentences, tags and entities."""
    tokens = [token for sentence in sentences for token in sentence]
    starts: List[Any] = [i == 0 for sentence in sentences for i in range(len(sentence))]
    tags = [token.pos for token in tokens]
    doc = Doc(VOCAB, words=[token.word for token in tokens], tags=tags, sent_starts=starts)
    entities: List[Any] = []
    unknown: List[Any] = []
    first = 0
    for sentence in sentences:
        spans, no_tag = spans_of([token.tag for token in sentence])
        entities += [Span(doc, first + start, first + end, label) for start, end, label in spans]
        unknown += [doc[first + i : first + i + 1] for i in no_tag]
        first += len(sentence)
    doc.set_ents(entities, missing=unknown, default="outside")
    return doc


def main(
    columns: Path = typer.Argument(..., help="Folder of .conll files"),
    out: Path = typer.Argument(..., help="Folder for the .spacy files, with the same folders"),
) -> None:
    """Convert CoNLL columns to spaCy's format."""
    paths = sorted(columns.glob("**/*.conll"))
    if not paths:
        sys.exit(f"No .conll files in {columns}. `scripts/prepare.py` makes them.")
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
            docs = [doc_of(sentences) for sentences in read(text)]
        except ValueError as error:  # UnicodeDecodeError is one
            sys.exit(f"{path}: {error}")
        if not docs:
            sys.exit(f"{path} holds no words.")
        target = (out / path.relative_to(columns)).with_suffix(".spacy")
        target.parent.mkdir(parents=True, exist_ok=True)
        DocBin(docs=docs, store_user_data=True).to_disk(target)
        print(f"{target}: {len(docs)} docs")


if __name__ == "__main__":
    typer.run(main)
