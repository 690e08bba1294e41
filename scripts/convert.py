"""CoNLL columns -> spaCy's format, with annotation that is missing.

Does what `spacy convert --converter conll -n 1` does, and knows the tags `?` and `-`: nothing
is known of that token, which is not the same as `O`.

    python scripts/convert.py COLUMNS OUT
"""

import sys
from pathlib import Path
from typing import List

import typer
from spacy.tokens import Doc, DocBin
from spacy.training.converters import conll_ner_to_docs

MISSING = ("?", "-")
DOCSTART = "-DOCSTART-"


def convert(columns: str) -> List[Doc]:
    """Docs of one sentence each, or of one part between -DOCSTART- lines."""
    lines, is_missing = [], []
    for line in columns.splitlines():
        *others, tag = line.split() or [""]
        if others and others[0] != DOCSTART:
            is_missing.append(tag in MISSING)
            line = " ".join([*others, "O" if tag in MISSING else tag])
        lines.append(line)
    docs = list(conll_ner_to_docs("\n".join(lines), n_sents=1, no_print=True))
    flags = iter(is_missing)
    for doc in docs:
        missing = [doc[i : i + 1] for i, flag in zip(range(len(doc)), flags) if flag]
        if missing:
            doc.set_ents(list(doc.ents), missing=missing, default="outside")
    return docs


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
            docs = convert(path.read_text(encoding="utf8"))
        except ValueError as error:
            sys.exit(f"{path}: {error}")
        target = (out / path.relative_to(columns)).with_suffix(".spacy")
        target.parent.mkdir(parents=True, exist_ok=True)
        DocBin(docs=docs, store_user_data=True).to_disk(target)
        print(f"{target}: {len(docs)} docs")


if __name__ == "__main__":
    typer.run(main)
