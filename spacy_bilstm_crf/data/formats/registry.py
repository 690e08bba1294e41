"""The registry of formats: each module of a format adds its own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from .records import Findings, Record
from .settings import FormatSettings

Reader = Callable[[Path, FormatSettings, Findings], Iterable[Record] | Iterable[Doc]]
Writer = Callable[[Iterable[Doc], Path, FormatSettings, Findings], None]


class Format(NamedTuple):
    """A format of annotated data.

    Attributes:
        name: What users call it.
        read: Yields what a file holds, as records before tokenization or as docs.
        write: Writes docs to a file.
        suffixes: Endings of its files; the first is that of new files.
        keeps: What it can hold besides text and entities, of `losses.NOTES`. The rest is counted
            when docs are written.
        is_folder: Whether a data set is a folder, of files with these endings, and not a file.
    """

    name: str
    read: Reader
    write: Writer
    suffixes: tuple[str, ...]
    keeps: frozenset[str] = frozenset()
    is_folder: bool = False


FORMATS: dict[str, Format] = {}


def register(format_: Format) -> None:
    """Add a format under its name."""
    FORMATS[format_.name] = format_
