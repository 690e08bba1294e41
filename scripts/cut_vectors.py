"""Cut word vectors to their first words and three decimals, as they are in assets/vectors.

    python scripts/cut_vectors.py VECTORS.txt N_WORDS OUT.txt.gz

VECTORS.txt has a line for each word, the most frequent one first, as GloVe's files do; a first line
with the numbers of words and columns may be there. The same input gives the same bytes.
"""

import gzip
import sys
from itertools import islice
from pathlib import Path

import typer

DECIMALS = 3


def cut(vectors: Path, n_words: int) -> list[str]:
    """The first lines, each a word and its numbers."""
    rows = []
    with vectors.open(encoding="utf8") as lines:
        for line in islice(lines, n_words + 1):
            word, *numbers = line.rstrip("\n").split(" ")
            if len(numbers) > 1:  # else it is the line with the sizes
                rounded = (f"{float(number):.{DECIMALS}f}" for number in numbers)
                rows.append(" ".join([word, *(n.rstrip("0").rstrip(".") for n in rounded)]))
    return rows[:n_words]


def main(
    vectors: Path = typer.Argument(..., help="Text file with a line for each word"),
    n_words: int = typer.Argument(..., help="How many words to keep"),
    out: Path = typer.Argument(..., help="The .txt.gz file to write"),
) -> None:
    """Cut word vectors to their first words and three decimals."""
    if not vectors.is_file():
        sys.exit(f"No file {vectors}.")
    rows = cut(vectors, n_words)
    if len(rows) < n_words:
        sys.exit(f"{vectors} has {len(rows):,} words, fewer than {n_words:,}.")
    sizes = f"{len(rows)} {len(rows[0].split(' ')) - 1}"
    text = "\n".join([sizes, *rows]) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    # Neither the time nor the name goes into the file, so that a checksum can be repeated
    out.write_bytes(gzip.compress(text.encode("utf8"), compresslevel=9, mtime=0))
    print(f"{out}: {len(rows):,} words, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
