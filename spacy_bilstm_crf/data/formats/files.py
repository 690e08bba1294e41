"""Reading and writing files of any registered format."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc

from ...common.errors import UserError
from .docs import docs_of
from .losses import note_losses
from .records import Findings
from .registry import FORMATS
from .settings import FormatSettings


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
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from error


def write(
    docs: Iterable[Doc], path: Path, name: str, settings: FormatSettings, findings: Findings
) -> int:
    """Write docs to a file, or to a folder if the format has folders.

    Args:
        docs: What to write.
        path: Where to write it; its parent folder must exist.
        name: The format, one of `FORMATS`.
        settings: How to write it.
        findings: Gets what the format can't hold.

    Returns:
        The number of docs.
    """
    n_docs = 0

    def noted() -> Iterator[Doc]:
        nonlocal n_docs
        for doc in docs:
            n_docs += 1
            note_losses(doc, FORMATS[name].keeps, settings.docs.incorrect_spans_key, findings)
            yield doc

    FORMATS[name].write(noted(), path, settings, findings)
    return n_docs
