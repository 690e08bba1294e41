"""Texts to work on, whatever file they are in: one reader for every command."""

import codecs
import csv
import glob
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..common.errors import UserError, reported_damage
from ..common.files import BOM, check_regular, files_below, reported_os_errors
from .csv_cells import with_long_cells
from .formats.docbin import NO_DOCBIN
from .formats.docs import ID, META
from .formats.jsonl import TOO_DEEP, check_depth, parsed_json, unique_keys
from .parquet import open_parquet, parquet_batches, values_of
from .tokenization import make_doc

PARQUET, JSON_LINES, CSV, TEXT, LINES, DOCS = "parquet", "jsonl", "csv", "text", "lines", "docs"
TEXT_KINDS = {
    ".txt": TEXT,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".csv": CSV,
    ".tsv": CSV,
    ".parquet": PARQUET,
    ".spacy": DOCS,
}
DEFAULT_ID = "id"
# Decodes bytes that are not UTF-8 to halves of characters, which `problem_of` finds
LENIENT = "surrogateescape"
# How text in UTF-16 and UTF-32 begins
WIDE = re.compile(rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]|[^\0]\0\0\0|\0\0\0[^\0]")
NOT_WIDE = (
    "This is text in UTF-16 or UTF-32: convert it to UTF-8, as with iconv -f utf-16 -t utf-8."
)
# spaCy's own limit of a text. A .txt file with more is most likely a list of texts
MOST_OF_TEXT = 1_000_000
# What a DocBin holds for each doc
DOCBIN_PARTS = ("tokens", "spaces", "cats", "flags", "span_groups", "user_data")


class Text(NamedTuple):
    """A text, and what its file says about it.

    Attributes:
        text: The text; "" if there is none.
        id: Its id in the file. A .txt file that is one text has its path.
        meta: Further data of a JSON object or a doc.
        words: Its words, where the file knows these and not the spaces between them.
        error: Why there is no text. `read_texts` never yields such a row.
        columns: What else its file says of it, if `TextSettings.columns` asks for it. Not of
            Parquet, for which there is `parquet.read_parquet_columns`.
    """

    text: str
    id: str | None = None
    meta: dict[str, Any] = {}  # noqa: RUF012 - never changed
    words: list[str] | None = None
    error: str | None = None
    columns: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def doc(self, nlp: Language) -> Doc:
        """Make a doc with the words of the file or, if it has none, the pipeline's tokens."""
        return make_doc(nlp, self.text) if self.words is None else Doc(nlp.vocab, words=self.words)


class TextSettings(NamedTuple):
    """Where the texts are in the files.

    Attributes:
        text_key: Column or key of the texts.
        id_key: Column or key of the ids. Files need not have the default one.
        lines: Whether each line of a .txt file is a text, instead of the whole file.
        columns: Whether rows keep what the file says beside text and id.
    """

    text_key: str = "text"
    id_key: str = DEFAULT_ID
    lines: bool = False
    columns: bool = False


def read_texts(
    path: Path | str, text_key: str = "text", *, lines: bool = False, id_key: str = DEFAULT_ID
) -> Iterator[Text]:
    """Read the texts of a file, of all files in a folder, or of those that a glob matches.

    Args:
        path: A .txt, .jsonl, .ndjson, .csv, .tsv, .parquet or .spacy file, a folder or a glob.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text, instead of the whole file.
        id_key: Key or column of the id. Files need not have the default one.

    Raises:
        UserError: If there is no such file, or a row of it has no text. The message names the row.
    """
    settings = TextSettings(text_key, id_key, lines)
    for file in text_files(path):
        check_columns(file, settings)
        is_whole = text_kind(file, settings) == TEXT
        for number, text in enumerate(read_rows(file, settings), start=1):
            if text.error is not None:
                place = file if is_whole else f"{file}, row {number}"
                raise UserError(f"{place}: {text.error}")
            if is_whole and len(text.text) > MOST_OF_TEXT:
                raise UserError(
                    f"{file} is one text of {len(text.text):,} characters. If each of its lines is "
                    f"a text, add --lines; otherwise cut it into files of {MOST_OF_TEXT:,} at most."
                )
            if not is_whole or text.text.strip():
                yield text


def text_files(
    path: Path | str, leave_out: Callable[[Path], bool] = lambda path: False
) -> list[Path]:
    """List the files of texts at a path: itself, those in a folder, or those that a glob matches.

    Args:
        path: The path or glob.
        leave_out: Tells which files of a folder or glob are not input.

    Raises:
        UserError: If there are none, or one that was named can't be read.
    """
    here = Path(path)
    if here.is_dir():
        with reported_os_errors(here):
            found = [file for file in files_below(here) if file.suffix.lower() in TEXT_KINDS]
    else:
        matches = sorted(glob.glob(str(path), recursive=True))
        found = [here] if here.exists() else list(map(Path, matches))
        if not found:
            raise UserError(f"There is no file or folder {path}. Name a file, a folder or a glob.")
    files = [file for file in found if not file.is_dir() and not leave_out(file)]
    unknown = [file for file in files if file.suffix.lower() not in TEXT_KINDS]
    if unknown or not files:
        endings = ", ".join(TEXT_KINDS)
        raise UserError(
            f"{unknown[0] if unknown else path} has no texts that can be read: name files ending "
            f"in {endings}."
        )
    with reported_os_errors(here):
        for file in files:
            check_regular(file)
    return files


def text_kind(path: Path, settings: TextSettings) -> str:
    """Return how a file is read: one of the values of `TEXT_KINDS`, or `LINES`."""
    kind = TEXT_KINDS[path.suffix.lower()]
    return LINES if kind == TEXT and settings.lines else kind


def check_columns(path: Path, settings: TextSettings) -> None:
    """Check that a file has the columns or keys of texts and ids, as far as its start tells.

    Raises:
        UserError: If one is missing or there twice, or the file can't be read.
    """
    names = _names_of(path, settings)
    if names is None:
        return
    names = [printable(name) for name in names]
    for key in (settings.text_key, settings.id_key):
        if names.count(key) > 1:
            raise UserError(f"{path} has two columns named {key!r}: rename one.")
    known = ", ".join(names) or "nothing"
    if settings.text_key not in names:
        raise UserError(
            f"{path} has no {settings.text_key!r}. It has: {known}. Name the key or column of the "
            f"texts with --text-key."
        )
    if settings.id_key != DEFAULT_ID and settings.id_key not in names:
        raise UserError(f"{path} has no {settings.id_key!r}. It has: {known}.")


def _names_of(path: Path, settings: TextSettings) -> list[str] | None:
    """The columns of a file, or the keys of its first object; None if there are none to check."""
    kind = text_kind(path, settings)
    if kind == PARQUET:
        return list(open_parquet(path).schema_arrow.names)
    if kind in (CSV, JSON_LINES, LINES) and _is_wide(next(lines_of(path), (b"", 0))[0]):
        raise UserError(f"{path}: {NOT_WIDE}")
    if kind == CSV:
        return next(csv_rows(path), ([], 0))[0]
    if kind == JSON_LINES:
        first = next(_read_lines(path, settings, 0, None), Text(""))
        with suppress(ValueError, RecursionError):  # an error of that row
            value = json.loads(first.text)
            return list(value) if isinstance(value, dict) else None
    return None


def read_rows(
    path: Path, settings: TextSettings, start: int = 0, end: int | None = None
) -> Iterator[Text]:
    """Read the rows of a file, or of a stretch of it. A row without a text says why.

    Args:
        path: The file.
        settings: Where its texts are.
        start: The first byte; the first row of Parquet and .spacy files.
        end: The byte or row after the last; None for the end of the file.

    Raises:
        UserError: If the file is not of the kind that its ending says.
    """
    return READERS[text_kind(path, settings)](path, settings, start, end)


def lines_of(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int]]:
    """Read the lines of a file, without a byte order mark, and the byte at which each ends."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if end is not None and start >= end:
                return
            content = line if start else line.removeprefix(codecs.BOM_UTF8)
            start += len(line)
            yield content, start


def csv_rows(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[list[str], int]]:
    """Read the rows of a CSV file, its header too, and the byte at which each ends.

    A field in quotes may have line ends, so only reading tells where a row ends.

    Raises:
        UserError: If the file is not CSV.
    """
    position = start

    def decoded() -> Iterator[str]:
        nonlocal position
        for line, position in lines_of(path, start, end):  # noqa: B007 - read below
            yield line.decode("utf8", LENIENT)

    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    # Strict, or a quote that is never closed would swallow the rest of the file
    reader = csv.reader(decoded(), delimiter=delimiter, strict=True)
    try:
        for values in with_long_cells(reader):
            yield values, position
    except csv.Error as error:
        where = f", from line {reader.line_num} on or before" if reader.line_num > 1 else ""
        raise UserError(f"{path} is not a valid CSV file{where}: {_csv_problem(error)}") from error


def _csv_problem(error: csv.Error) -> str:
    if "end of data" in str(error):
        return f"{error}. Is there a quote that is never closed?"
    if "new-line" in str(error):  # Python's own advice is for programs
        return "a carriage return (\\r) outside of quotes. Write line ends as \\n."
    return f"{error}."


def open_docs(path: Path) -> DocBin:
    """Load a .spacy file; the last one is kept.

    Raises:
        UserError: If it is damaged.
    """
    return _load_docs(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _load_docs(path: Path, modified: int) -> DocBin:
    with reported_damage(NO_DOCBIN.format(path)):
        return DocBin().from_disk(path)


def problem_of(text: Any) -> str | None:
    """Tell why a value is no text, or return None if it is one."""
    if text is None:
        return "There is no text."
    if not isinstance(text, str):
        return f"The text is not a string, but {type(text).__name__}."
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return "The text is not valid UTF-8, or contains an unpaired surrogate (U+D800 to U+DFFF)."
    return None


def printable(text: str) -> str:
    """Replace bytes that are not UTF-8 and halves of characters by question marks."""
    return text.encode("utf8", errors="replace").decode("utf8")


def _row(value: Any, id_: Any, meta: Any = None, words: list[str] | None = None) -> Text:
    """Make a row of what a file holds where a text, its id and its meta data should be."""
    error = problem_of(value)
    kept = meta if isinstance(meta, dict) else {}
    return Text("" if error else value, _as_id(id_), kept, words, error)


def text_of_doc(doc: Doc) -> Text:
    """Return the text of a doc, with its id and meta, and its words if it has unknown spaces."""
    words = [token.text for token in doc] if doc.has_unknown_spaces else None
    return _row(doc.text, doc.user_data.get(ID), doc.user_data.get(META), words)


def _as_id(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf8", LENIENT)
    is_nested = isinstance(value, bool | dict | list)  # of structs and lists in Parquet
    return printable(json.dumps(value, default=str) if is_nested else str(value))


def _is_wide(content: bytes) -> bool:
    return WIDE.match(content) is not None


def _read_whole(path: Path, settings: TextSettings, start: int, end: int | None) -> Iterator[Text]:
    try:
        content = path.read_bytes()
        if _is_wide(content):
            yield Text("", printable(str(path)), error=NOT_WIDE)
            return
        yield Text(content.decode("utf-8-sig"), printable(str(path)))
    except UnicodeDecodeError as error:
        yield Text("", printable(str(path)), error=f"Not UTF-8 text: {error}")
    except OSError as error:
        yield Text("", printable(str(path)), error=f"{error.strerror}.")


def _read_lines(path: Path, settings: TextSettings, start: int, end: int | None) -> Iterator[Text]:
    for line, _ in lines_of(path, start, end):
        if not line.strip():
            continue
        try:
            yield Text(line.decode("utf8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            yield Text("", error=f"Not UTF-8 text: {error}")


def _read_json(path: Path, settings: TextSettings, start: int, end: int | None) -> Iterator[Text]:
    for line in _read_lines(path, settings, start, end):
        yield line if line.error is not None else _of_object(line.text, settings)


def _of_object(line: str, settings: TextSettings) -> Text:
    try:
        value = json.loads(line.removeprefix(BOM), object_pairs_hook=unique_keys)
        check_depth(line, value)
    except UserError as error:
        return Text("", error=str(error))
    except RecursionError:
        return Text("", error=TOO_DEEP)
    except ValueError as error:
        return Text("", error=f"Not valid JSON: {error}")
    if not isinstance(value, dict):
        return Text("", error=f"Not a JSON object: {line:.80}")
    meta = value.get(META)
    if meta:  # .spacy files can hold neither halves of characters nor long numbers
        try:
            meta = parsed_json(printable(json.dumps(meta, ensure_ascii=False)))
        except UserError as error:
            return Text("", _as_id(value.get(settings.id_key)), error=str(error))
    row = _row(value.get(settings.text_key), value.get(settings.id_key), meta)
    return _with_columns(row, value, settings)


def _with_columns(row: Text, values: dict[str, Any], settings: TextSettings) -> Text:
    """Return a row with all values but text and id, if they are asked for."""
    if not settings.columns:
        return row
    own = (settings.text_key, settings.id_key)
    return row._replace(
        columns={printable(key): value for key, value in values.items() if key not in own}
    )


def _read_csv(path: Path, settings: TextSettings, start: int, end: int | None) -> Iterator[Text]:
    header, after_header = next(csv_rows(path), ([], 0))
    for values, _ in csv_rows(path, start or after_header, end):
        row = dict(zip(header, values))
        id_ = row.get(settings.id_key)
        if len(values) > len(header):  # a comma outside of quotes has cut a text
            problem = f"The row has {len(values)} fields, but the header has {len(header)}."
            yield Text("", _as_id(id_), error=problem)
        elif values:
            yield _with_columns(_row(row.get(settings.text_key), id_), row, settings)


def _read_parquet(
    path: Path, settings: TextSettings, start: int, end: int | None
) -> Iterator[Text]:
    file = open_parquet(path)
    has_ids = settings.id_key in file.schema_arrow.names
    columns = [settings.text_key, settings.id_key] if has_ids else [settings.text_key]
    for batch in parquet_batches(path, columns, start, end):
        ids = values_of(batch.column(settings.id_key)) if has_ids else [None] * len(batch)
        for id_, text in zip(ids, values_of(batch.column(settings.text_key))):
            yield _row(text.decode("utf8", LENIENT) if isinstance(text, bytes) else text, id_)


def _read_docs(path: Path, settings: TextSettings, start: int, end: int | None) -> Iterator[Text]:
    loaded, docs = vars(open_docs(path)), DocBin()
    vars(docs).update(loaded, **{name: loaded[name][start:end] for name in DOCBIN_PARTS})
    for doc in docs.get_docs(Vocab()):
        row = text_of_doc(doc)
        yield row._replace(columns={META: row.meta}) if settings.columns and row.meta else row


READERS: dict[str, Callable[[Path, TextSettings, int, int | None], Iterator[Text]]] = {
    PARQUET: _read_parquet,
    JSON_LINES: _read_json,
    CSV: _read_csv,
    TEXT: _read_whole,
    LINES: _read_lines,
    DOCS: _read_docs,
}
