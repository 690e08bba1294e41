"""Texts to work on, whatever file they are in."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from .docs import ID, META
from .files import FormatError, blank, read_docbin
from .jsonl import as_id, read_lines, text_of

SUFFIXES = (".txt", ".jsonl", ".spacy")


class Text(NamedTuple):
    """A text, and what the file says about it."""

    text: str
    id: Optional[str] = None
    meta: Dict[str, Any] = {}  # noqa: RUF012 - never changed


def read_texts(path: Path, text_key: str = "text") -> Iterator[Text]:
    """The texts of a file, or of all such files of a folder.

    A .txt file has one on each line, a .jsonl file one in each object, under the key; a .spacy
    file has docs.

    Raises:
        FormatError: If there is no such file, or naming the line that is no text.
    """
    for file in _files(path):
        if file.suffix == ".jsonl":
            for place, value in read_lines(file):
                meta = value.get(META)
                yield Text(
                    text_of(value, text_key, place),
                    as_id(value.get(ID)),
                    meta if isinstance(meta, dict) else {},
                )
        elif file.suffix == ".spacy":
            for doc in read_docbin(file, blank("xx")):
                yield Text(
                    doc.text, as_id(doc.user_data.get("id")), doc.user_data.get("meta") or {}
                )
        else:
            yield from _lines(file)


def _files(path: Path) -> List[Path]:
    if not path.exists():
        raise FormatError(f"There is no file or folder {path}.")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.suffix in SUFFIXES]
    if not files:
        raise FormatError(f"{path} has no texts: name a {', '.join(SUFFIXES[:-1])} or .spacy file.")
    return files


def _lines(path: Path) -> Iterator[Text]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                if line.strip():
                    yield Text(line.rstrip("\n"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text in UTF-8: {error}") from error
