"""The registry of formats, to which each module of a format adds its own."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from .records import Findings, Problem, Record
from .sample import FileSample
from .settings import FormatSettings

Docs = Iterable[Doc]
Reader = Callable[[Path, FormatSettings, Findings], Iterable[Record | Problem | Doc]]
Detector = Callable[[FileSample], bool]
Writer = Callable[[Docs, Path, FormatSettings, Findings], None]


class Format(NamedTuple):
    """A format of annotated data.

    Attributes:
        name: What users call it.
        read: Yields what a file holds, as records before tokenization or as docs. A problem stands
            for what can't be read.
        write: Writes docs to a file; None if files of the format can only be read.
        suffixes: Endings of its files; the first is that of new files.
        keeps: What it can hold besides text and entities, of `losses.NOTES`. The rest is counted
            when docs are written.
        is_folder: Whether a data set is a folder, of files with these endings, and not a file.
        holds_overlaps: Whether it can hold entities that overlap.
        detect: Tells whether a file, or a folder, looks like one of this format. It decides which
            format is read if none is named, and which one is suggested if another was named. For a
            given file, at most one format should say so. None if the format must be named.
        is_data_set: Tells whether a folder is one data set of a format that mostly has files, and
            becomes one file. None if there are no such folders.
        beside: Names of files in a folder that describe the data and have none.
        uses_labels: Whether `FormatSettings.labels` matters to it.
        prepare: Completes the settings from all docs before the first of several files is written,
            such as the labels that all of them share. None if files have nothing in common.
        only_read: Those of the endings whose files can be read, but not written.
        is_by_ending: Whether a file that no format recognizes may be of this one because of its
            ending. False if files with these endings are mostly something else.
    """

    name: str
    read: Reader
    write: Writer | None
    suffixes: tuple[str, ...]
    keeps: Collection[str] = ()
    is_folder: bool = False
    holds_overlaps: bool = False
    detect: Detector | None = None
    is_data_set: Callable[[Path], bool] | None = None
    beside: Collection[str] = ()
    uses_labels: bool = False
    prepare: Callable[[Docs, FormatSettings], FormatSettings] | None = None
    only_read: Collection[str] = ()
    is_by_ending: bool = True


FORMATS: dict[str, Format] = {}


def register(format_: Format) -> None:
    """Add a format under its name."""
    FORMATS[format_.name] = format_


def writable() -> list[str]:
    """Return the names of the formats that can be written."""
    return sorted(name for name, format_ in FORMATS.items() if format_.write is not None)
