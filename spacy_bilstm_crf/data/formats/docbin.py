"""spaCy's own binary files of docs."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...common.errors import reported_damage
from .docs import blank
from .losses import NOTES
from .records import Findings
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import FormatSettings

MOST_OF_KEYS = 64  # bytes
NO_DOCBIN = "{} is damaged or not a .spacy file: convert the data again with `spacy convert`"


def read_docbin(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the docs of a .spacy file.

    Raises:
        UserError: If it is none.
    """
    with reported_damage(NO_DOCBIN.format(path)):
        yield from DocBin().from_disk(path).get_docs(vocab)


def _read(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Doc]:
    return read_docbin(path, blank(settings.lang).vocab)


def _write(docs: Docs, path: Path, settings: FormatSettings, findings: Findings) -> None:
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def _detect(sample: FileSample) -> bool:
    """Tell whether a file has the keys with which a compressed `DocBin` begins."""
    try:
        return b"attrs" in zlib.decompressobj().decompress(sample.start, MOST_OF_KEYS)
    except zlib.error:
        return False


register(
    Format(
        "spacy",
        _read,
        _write,
        (".spacy",),
        keeps=NOTES,
        holds_overlaps=True,
        detect=_detect,
    )
)
