"""Reading and writing files of any registered format."""

from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc

from ...common.errors import UserError
from .contents import Contents
from .docs import docs_of
from .guess import looks_like
from .losses import note_losses
from .records import Findings
from .registry import FORMATS, Docs, Format, writable
from .settings import UTF8, FormatSettings


def check_replaceable(output: Path, format_: Format) -> None:
    """Check that an output replaces nothing but what was written in its format.

    Raises:
        UserError: If a file would replace a folder, or a folder something else than the format's
            files.
    """
    if not output.exists():
        return
    if not format_.is_folder and not output.is_file():
        raise UserError(f"{output} is not a file: name one to write to.")
    others = [x for x in output.rglob("*") if x.suffix not in format_.suffixes and x.is_file()]
    if format_.is_folder and (others or not output.is_dir()):
        raise UserError(
            f"{output} contains files that are not {format_.name} files: name another folder."
        )


def read(path: Path, name: str, settings: FormatSettings, findings: Findings) -> Iterator[Doc]:
    """Read the docs of a file, or of a folder if the format has folders.

    Args:
        path: The file.
        name: The format, one of `FORMATS`.
        settings: How to read it.
        findings: Gets the problems and notes.

    Raises:
        UserError: If it is not of that format.
    """
    try:
        yield from docs_of(FORMATS[name].read(path, settings, findings), settings, findings)
    except UnicodeError as error:
        hint = looks_like(path, name) or "Name its encoding, such as --encoding cp1252 or utf-16."
        message = f"{path} is not UTF-8 text: {error}. {hint}"
        if settings.encoding != UTF8:
            message = f"{path} is not text in the encoding {settings.encoding}: {error}. {hint}"
        raise UserError(message) from error
    except UserError as error:
        raise UserError(f"{error} {looks_like(path, name)}".strip()) from error


def write(
    docs: Docs, path: Path, name: str, settings: FormatSettings, findings: Findings
) -> Contents:
    """Write docs to a file, or to a folder if the format has folders.

    Args:
        docs: What to write.
        path: Where to write it; its parent folder must exist.
        name: The format, one of `writable()`.
        settings: How to write it.
        findings: Gets what the format can't hold.

    Returns:
        What the docs contain.

    Raises:
        UserError: If the format can only be read, or entities that overlap are to be written, and
            it can't hold them.
    """
    write_docs = FORMATS[name].write
    if write_docs is None:
        raise UserError(f"{name} can only be read: write one of {', '.join(writable())}.")
    if settings.docs.keeps_overlaps and not FORMATS[name].holds_overlaps:
        others = ", ".join(one for one in writable() if FORMATS[one].holds_overlaps)
        raise UserError(
            f"{name} can't hold entities that overlap: leave out --overlaps keep, or write one of "
            f"{others}."
        )
    contents = Contents()

    def noted() -> Iterator[Doc]:
        for doc in docs:
            contents.add(doc, settings.docs)
            note_losses(doc, FORMATS[name].keeps, settings.docs, findings)
            yield doc

    write_docs(noted(), path, settings, findings)
    return contents
