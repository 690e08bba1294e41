"""Texts to work on, whatever file they are in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..common.errors import UserError
from .formats.docbin import read_docbin
from .formats.docs import ID, META, blank
from .formats.jsonl import as_id, read_lines, text_of


class Text(NamedTuple):
    """A text, and what the file says about it."""

    text: str
    id: str | None = None
    meta: dict[str, Any] = {}  # noqa: RUF012 - never changed
    words: list[str] | None = None  # where the file knows the words, and not what is between

    def doc(self, nlp: Language) -> Doc:
        """A doc of the text: of its words, or of the tokens of the pipeline's tokenizer."""
        return nlp.make_doc(self.text) if self.words is None else Doc(nlp.vocab, words=self.words)


def read_texts(path: Path, text_key: str = "text") -> Iterator[Text]:
    """The texts of a file, or of all such files of a folder.

    A .txt file has one on each line, a .jsonl file one in each object, under the key; a .spacy
    file has docs.

    Raises:
        UserError: If there is no such file, or naming the line that is no text.
    """
    for file in _files(path):
        try:
            yield from READERS[file.suffix.lower()](file, text_key)
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is no text in UTF-8: {error}") from error


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in READERS]
    if not files:
        raise UserError(f"{path} has no texts: name a .txt, .jsonl or .spacy file.")
    return files


def _of_objects(path: Path, text_key: str) -> Iterator[Text]:
    for place, value in read_lines(path):
        meta = value.get(META)
        text = text_of(value, text_key, place)
        yield Text(text, as_id(value.get(ID)), meta if isinstance(meta, dict) else {})


def _of_docs(path: Path, text_key: str) -> Iterator[Text]:
    for doc in read_docbin(path, blank("xx").vocab):
        data = doc.user_data
        words = [token.text for token in doc] if doc.has_unknown_spaces else None
        yield Text(doc.text, as_id(data.get(ID)), data.get(META) or {}, words)


def _of_lines(path: Path, text_key: str) -> Iterator[Text]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if line.strip():
                yield Text(line.rstrip("\n"))


READERS = {".txt": _of_lines, ".jsonl": _of_objects, ".spacy": _of_docs}
