"""The formats by name, and how files of one become files of another."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...common.errors import UserError
from .brat import read_brat, write_brat
from .columns import WITHOUT_WORDS, ColumnSettings, read_columns, write_columns
from .doccano import read_doccano, write_doccano
from .docs import DocSettings, docs_of
from .label_studio import read_label_studio, write_label_studio
from .prodigy import read_prodigy, write_prodigy
from .records import Findings, Record

SPACY, PRODIGY, DOCCANO, RELATIONS = "spacy", "prodigy", "doccano", "doccano-relations"
LABEL_STUDIO, BRAT, COLUMNS = "label-studio", "brat", "conll"
BRAT_FILES = (".txt", ".ann")
# Endings of files, the first for what is written. A brat data set is a folder of files
SUFFIXES: dict[str, tuple[str, ...]] = {
    SPACY: (".spacy",),
    PRODIGY: (".jsonl",),
    DOCCANO: (".jsonl",),
    RELATIONS: (".jsonl",),
    LABEL_STUDIO: (".json", ".jsonl"),
    BRAT: ("",),
    COLUMNS: (".conll", ".iob", ".bio", ".tsv", ".txt"),
}
FORMATS = tuple(SUFFIXES)


class Settings(NamedTuple):
    """How files are read and written.

    Attributes:
        lang: Language whose tokeniser cuts texts that come without tokens.
        text_key: Key of the text in JSON.
        docs: How docs are made.
        columns: Where things are in CoNLL columns.
    """

    lang: str = "xx"
    text_key: str = "text"
    docs: DocSettings = DocSettings()
    columns: ColumnSettings = ColumnSettings()


class Converted(NamedTuple):
    """A file that was written, and how many docs it has."""

    path: Path
    n_docs: int


def read(path: Path, name: str, settings: Settings, findings: Findings) -> Iterator[Doc]:
    """The docs of a file, or of a folder of brat's.

    Args:
        path: The file.
        name: One of `FORMATS`.
        settings: How to read it.
        findings: Gets the problems.

    Raises:
        UserError: If it is not of that format.
    """
    nlp = blank(settings.lang)
    if name == SPACY:
        yield from read_docbin(path, nlp.vocab)
        return
    try:
        yield from docs_of(_records(path, name, settings, findings), nlp, settings.docs, findings)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error}") from error


def _records(path: Path, name: str, settings: Settings, findings: Findings) -> Iterator[Record]:
    if name == PRODIGY:
        return read_prodigy(path, settings.text_key, findings)
    if name in (DOCCANO, RELATIONS):
        return read_doccano(path, settings.text_key, findings)
    if name == LABEL_STUDIO:
        return read_label_studio(path, settings.text_key, findings)
    if name == BRAT:
        return read_brat(path, findings)
    return read_columns(path, settings.columns)


def write(
    docs: Iterable[Doc], path: Path, name: str, settings: Settings, findings: Findings
) -> None:
    """Write docs to a file, or to a folder of brat's.

    Args:
        docs: What to write.
        path: Where to; its folder must be there.
        name: One of `FORMATS`.
        settings: How to write it.
        findings: Gets what the format can't hold.
    """
    if name == SPACY:
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    elif name == PRODIGY:
        write_prodigy(docs, path, settings.docs, settings.text_key, findings)
    elif name in (DOCCANO, RELATIONS):
        relations = name == RELATIONS
        write_doccano(docs, path, settings.docs, settings.text_key, findings, relations)
    elif name == LABEL_STUDIO:
        write_label_studio(docs, path, settings.docs, settings.text_key, findings)
    elif name == BRAT:
        write_brat(docs, path, settings.docs, findings)
    else:
        write_columns(docs, path, settings.columns, settings.docs, findings)


def blank(lang: str) -> Language:
    """A tokeniser, for texts of any length.

    Raises:
        UserError: If there is no such language.
    """
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:  # spaCy's E048, or a package that the tokeniser needs
        reason = str(error).splitlines()[0]
        raise UserError(f"--lang {lang} can't be used: {reason:.150}") from error
    nlp.max_length = 10**9  # the limit is there for parsers
    return nlp


def read_docbin(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """The docs of a .spacy file.

    Raises:
        UserError: If it is none.
    """
    try:
        yield from DocBin().from_disk(path).get_docs(vocab)
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:  # zlib, msgpack and spaCy each have their own
        raise UserError(
            f"{path} is damaged or no .spacy file ({type(error).__name__}): convert the data again "
            f"with `spacy convert`."
        ) from error


def files_of(path: Path, source: str, output: Path, target: str) -> list[tuple[Path, Path]]:
    """Which files there are to convert, and where each goes.

    Of a folder each file becomes one, in the same folders.

    Raises:
        UserError: If there is none.
    """
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    if source == BRAT:
        if not path.is_dir():
            raise UserError(f"{path} is a file, but brat has folders of .txt files.")
        return [(path, output)]
    if not path.is_dir():
        return [(path, output)]
    files = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES[source]]
    if not files:
        endings = ", ".join(SUFFIXES[source])
        raise UserError(f"{path} holds no file of {source}: none ends in {endings}.")
    targets = [output / file.relative_to(path).with_suffix(SUFFIXES[target][0]) for file in files]
    twice = next((target for target, n in Counter(targets).items() if n > 1), None)
    if twice is not None:
        raise UserError(f"Two files of {path} would become {twice}: convert them one by one.")
    return list(zip(files, targets))


def check_targets(path: Path, files: Iterable[tuple[Path, Path]], target: str) -> None:
    """See to it that nothing is replaced but what such a command has written.

    Raises:
        UserError: If a file would replace a folder or itself, or a folder something else than
            texts and their annotation.
    """
    for source, output in files:
        here, there = source.resolve(), output.resolve()
        if here == there or (source.is_dir() and there in here.parents):
            raise UserError(f"{output} is or holds what is to be converted: name another output.")
        if not output.exists():
            continue
        if target != BRAT and not output.is_file():
            raise UserError(f"{output} is no file: name one to write to.")
        others = [file for file in output.rglob("*") if file.suffix not in BRAT_FILES]
        others = [file for file in others if not file.is_dir()]
        if target == BRAT and (others or not output.is_dir()):
            raise UserError(f"{output} holds other files than brat's: name another folder.")


def convert(
    files: Iterable[tuple[Path, Path]],
    source: str,
    target: str,
    settings: Settings,
    findings: Findings,
) -> list[Converted]:
    """Convert files. With `on_problem="error"` nothing is written once there is a problem.

    What is written is complete: a file appears when it is done.

    Raises:
        UserError: If a file is not of its format, or has no docs.
    """
    pending: list[tuple[Path, Converted]] = []
    try:
        for path, output in files:
            output.parent.mkdir(parents=True, exist_ok=True)
            partial = _partial(output)
            counted = _Counted(read(path, source, settings, findings))
            pending.append((partial, Converted(output, 0)))
            before = findings.notes[WITHOUT_WORDS]
            write(counted, partial, target, settings, findings)
            n_written = counted.n - findings.notes[WITHOUT_WORDS] + before
            pending[-1] = (partial, Converted(output, n_written))
            if not counted.n:
                raise UserError(f"{path} holds no documents{_skipped(findings)}.")
        if settings.docs.on_problem == "error" and findings.problems:
            return []
        for partial, converted in pending:
            _move(partial, converted.path)
        return [converted for _, converted in pending]
    finally:
        for partial, _ in pending:
            _remove(partial)


def write_whole(docs: Iterable[Doc], path: Path, name: str, settings: Settings) -> None:
    """Write docs to a file that appears when it is complete: see `write`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        write(docs, partial, name, settings, Findings())
        _move(partial, path)
    finally:
        _remove(partial)


def _partial(output: Path) -> Path:
    """Where to write what is to be renamed, without what a killed run has left there."""
    partial = output.with_name(f".{output.name}.partial")
    _remove(partial)
    return partial


class _Counted:
    """Docs, and how many there were."""

    def __init__(self, docs: Iterable[Doc]) -> None:
        self.docs = docs
        self.n = 0

    def __iter__(self) -> Iterator[Doc]:
        for doc in self.docs:
            self.n += 1
            yield doc


def _skipped(findings: Findings) -> str:
    n = len(findings.problems)
    return f" without a problem ({n} found)" if n else ""


def _move(partial: Path, output: Path) -> None:
    if partial.is_dir():
        _remove(output)  # a folder can't be renamed onto another
    partial.replace(output)


def _remove(path: Path) -> None:
    if path.is_dir():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)
