"""Make patterns for spaCy's `span_ruler` out of lists of names.

A list is a text file of one name a line, `LABEL.list`; the label is the file's name without its
ending. Lines that are empty, and names that are there already under the label, are left out.

    python scripts/gazetteer.py FOLDER patterns.jsonl
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import srsly
import typer


def patterns_of(path: Path) -> Iterator[dict[str, str]]:
    """The patterns of one list."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        sys.exit(f"{path} is not in UTF-8: save it as such.")
    lines = map(str.strip, text.splitlines())
    for name in dict.fromkeys(filter(None, lines)):
        yield {"label": path.stem, "pattern": name}


def main(
    folder: Path = typer.Argument(..., help="Folder with the lists"),
    out: Path = typer.Argument(..., help="File for the patterns, .jsonl"),
) -> None:
    """Make patterns for spaCy's `span_ruler` out of lists of names."""
    paths = sorted(folder.glob("*.list"))
    if not paths:
        sys.exit(f"There are no lists in {folder}: a list is LABEL.list, with one name a line.")
    out.parent.mkdir(parents=True, exist_ok=True)
    patterns = [pattern for path in paths for pattern in patterns_of(path)]
    srsly.write_jsonl(out, patterns)
    print(f"{len(patterns):,} patterns of {len(paths)} lists: {out}")


if __name__ == "__main__":
    typer.run(main)
