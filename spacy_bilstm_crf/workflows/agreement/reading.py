"""Reads what several annotators have said of the same texts, and puts it side by side."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...common.errors import UserError, check_choice
from ...common.files import check_regular, files_below, reported_os_errors
from ...data.corpus import Data, read_docs
from ...data.entity_source import EntitySource
from ...data.formats import FORMATS, Findings, Format, FormatSettings, read
from ...data.formats.docs import ANNOTATOR, CONTRADICTIONS, ID, NO_ENTITY, blank
from ...data.formats.guess import detected
from ...data.formats.jsonl import as_id
from ...data.formats.records import Problem
from ..convert import LISTED, check_labels
from ..report.mentions import Mention, with_overlaps

AnnotatedFiles = str | Path | Sequence[str | Path] | Mapping[str, Data]
ANNOTATED_AGAIN = "documents that an annotator has annotated again: the last annotation counts"
BY_ORDER = "texts that an annotator has several times without ids to tell them apart, matched in \
their order"
NOBODY = "documents of {}, of which none is annotated in {}: not compared"
SKIPPED = "documents without an entity left out (--skip-empty)"
IS_ANNOTATED = (
    "documents without an entity, read as annotated: if nobody has looked at them, leave them out "
    "with --skip-empty"
)


class AnnotationOfText(NamedTuple):
    """What one annotator has said of a text.

    Attributes:
        mentions: The entities, in the order of their starts.
        known: Whether each token is annotated, bool [n_tokens].
    """

    mentions: tuple[Mention, ...]
    known: np.ndarray


class SharedText(NamedTuple):
    """A text that several annotators have annotated.

    Attributes:
        number: Its number among these texts, from 0.
        id: Its id in the data, if it has one.
        text: The text.
        doc: A doc of it, as the first annotator's file has it.
        annotations: What each annotator has said, by name. Tokens are those of all of them: one
            ends where any annotator's does.
    """

    number: int
    id: str | None
    text: str
    doc: Doc
    annotations: dict[str, AnnotationOfText]


class AnnotatorDocs(NamedTuple):
    """The docs of each annotator, and what came up while they were read.

    Attributes:
        docs: The docs by the annotator's name.
        findings: The problems and notes.
        source: The format of the files; None if docs were given.
    """

    docs: dict[str, list[Doc]]
    findings: Findings
    source: str | None = None


def read_annotators(
    files: AnnotatedFiles, source: str | None, settings: FormatSettings
) -> AnnotatorDocs:
    """Read the docs of each annotator.

    Args:
        files: One file with the annotation of several annotators, or several files or folders, each
            of one annotator. A single folder stands for the files in it or, if the format itself
            has folders, for the folders in it. Or the docs or `.spacy` files of each annotator, by
            name.
        source: The format of the files; None to detect it.
        settings: How to read them.

    Raises:
        UserError: If they can't be read.
    """
    findings = Findings()
    if isinstance(files, Mapping):
        docs_of = {str(who): _given_docs(data, settings) for who, data in files.items()}
        return AnnotatorDocs(docs_of, findings)
    if source is not None:
        check_choice("source", source, FORMATS)
    given = [Path(path) for path in ([files] if isinstance(files, str | Path) else files)]
    with reported_os_errors(given[0] if given else "FILE"):
        _check_paths(given)
        name = source or _detected(given, settings)
        check_labels(settings.labels, name)
        paths = _paths(given, FORMATS[name])
        docs = [
            [
                doc
                for file in _files_of(path, FORMATS[name])
                for doc in read(file, name, settings, findings)
            ]
            for path in paths
        ]
    return AnnotatorDocs(_by_annotator(_names(paths), docs), findings, name)


def _given_docs(data: Data, settings: FormatSettings) -> list[Doc]:
    """Return the docs of a `.spacy` file or folder, or those that were given, each in its vocab."""
    if isinstance(data, str | Path):
        return read_docs(data, blank(settings.lang).vocab)
    return [doc for each in data for doc in read_docs([each], getattr(each, "vocab", Vocab()))]


def _check_paths(given: Sequence[Path]) -> None:
    """Check that there are files, that each is there and can be read twice, and is given once."""
    if not given:
        raise UserError("There is no file to read.")
    for path in given:
        if not path.exists():
            raise UserError(f"There is no file or folder {path}.")
        check_regular(path)
    (path, n), *_ = Counter(path.resolve() for path in given).most_common(1)
    if n > 1:
        raise UserError(f"{path} is given {n} times: name each annotator's file once.")


def _detected(given: Sequence[Path], settings: FormatSettings) -> str:
    """Detect the format of files, which must be the same for all of them."""
    first, *others = ((detected(path, settings), path) for path in given)
    for name, path in others:
        if name != first[0]:
            raise UserError(
                f"{first[1]} looks like {first[0]}, and {path} like {name}: name the format of all "
                f"with --from, or convert them to .spacy files."
            )
    return first[0]


def _paths(given: Sequence[Path], format_: Format) -> list[Path]:
    """Return the files and folders to read, each of one annotator or with the names of several."""
    if len(given) > 1 or not given[0].is_dir():
        return list(given)
    folder = given[0]
    if format_.is_folder:
        folders = sorted(path for path in folder.iterdir() if path.is_dir())
        return folders if len(folders) > 1 else [folder]
    return _files_of(folder, format_)


def _files_of(path: Path, format_: Format) -> list[Path]:
    """Return the files that a path stands for: itself, unless it is a folder of several."""
    if format_.is_folder and not path.is_dir():
        suffixes = " and ".join(format_.suffixes)
        raise UserError(f"{path} is a file, but {format_.name} has folders of {suffixes} files.")
    is_data_set = format_.is_data_set is not None and format_.is_data_set(path)
    if format_.is_folder or not path.is_dir() or is_data_set:
        return [path]
    files = [
        file
        for file in files_below(path)
        if file.suffix.lower() in format_.suffixes
        and file.name not in format_.beside
        and not file.name.endswith(LISTED)
    ]
    if not files:
        endings = ", ".join(format_.suffixes)
        raise UserError(f"{path} contains no {format_.name} file: none ends in {endings}.")
    return files


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file or folder: its own or, if others have the same, its path."""
    names = [path.resolve().name if path.is_dir() else path.stem for path in paths]
    return [
        name if names.count(name) == 1 else str(path.with_suffix("") if path.is_file() else path)
        for name, path in zip(names, paths)
    ]


def _by_annotator(files: Sequence[str], docs: Sequence[Sequence[Doc]]) -> dict[str, list[Doc]]:
    """Sort docs by the annotators that they name, or by the files if none has several."""
    named = [[as_id(doc.user_data.get(ANNOTATOR)) for doc in of_file] for of_file in docs]
    each_is_of_one = len(files) > 1 and all(len({*who} - {None}) < 2 for who in named)
    found: dict[str, list[Doc]] = {}
    for file, of_file, names in zip(files, docs, named):
        for doc, who in zip(of_file, names):
            found.setdefault(file if each_is_of_one or who is None else who, []).append(doc)
    return found


def shared_texts(
    given: AnnotatorDocs, where: EntitySource, skip_empty: bool
) -> tuple[list[SharedText], dict[str, int]]:
    """Match the docs of annotators by their texts.

    Two docs are of the same text if they have the same characters. A text that occurs several times
    is matched by ids where annotators share them, and otherwise in the order of the docs.

    Args:
        given: The docs of each annotator. What came up is noted.
        where: Where the docs have their entities.
        skip_empty: Whether to leave out docs without an entity.

    Returns:
        The texts that at least two annotators have annotated, and the number of docs that each
        annotator has annotated.

    Raises:
        UserError: If there is only one annotator, or no such text.
    """
    notes = given.findings.notes
    docs: dict[str, list[Doc]] = {}
    for who, every in given.docs.items():
        annotated = [doc for doc in every if _is_annotated(doc, where)]
        kept = [doc for doc in annotated if where.entities(doc)] if skip_empty else annotated
        notes[SKIPPED] += len(annotated) - len(kept)
        if kept:
            docs[who] = kept
        else:
            notes[NOBODY.format(who, where)] += len(every)
    n_docs = {who: len(of_one) for who, of_one in docs.items()}
    if len(docs) < 2:
        raise UserError(_too_few(given, list(docs), where))
    by_text: dict[str, dict[str, list[Doc]]] = {}
    for who, of_one in docs.items():
        for doc in of_one:
            by_text.setdefault(doc.text, {}).setdefault(who, []).append(doc)
    shared: list[SharedText] = []
    for text, of_text in by_text.items():
        for unit in _units(of_text, notes):
            if len(unit) > 1:
                shared.append(_side_by_side(len(shared), text, unit, where))
    if not shared:
        raise UserError(_nothing_shared(docs))
    return shared, n_docs


def _is_annotated(doc: Doc, where: EntitySource) -> bool:
    return where.is_annotated(doc) and len(where.unannotated_tokens(doc)) < len(doc)


def _too_few(given: AnnotatorDocs, annotators: Sequence[str], where: EntitySource) -> str:
    silent = sorted(given.docs.keys() - set(annotators))
    if silent:
        key = " Name the key of their entities with --spans-key." if where.may_overlap else ""
        return (
            f"{', '.join(silent)}: no document is annotated in {where}, so there is nothing to "
            f"compare.{key}"
        )
    who = f"one annotator alone, {annotators[0]}" if annotators else "no annotator"
    return (
        f"The data are by {who}: name a file with the annotation of several, or a file or folder "
        f"for each."
    )


def _nothing_shared(docs: Mapping[str, Sequence[Doc]]) -> str:
    text_of: dict[str, tuple[str, str]] = {}
    hint = ""
    for who, of_one in docs.items():
        for doc in of_one:
            id_ = as_id(doc.user_data.get(ID))
            if id_ is not None:
                first, text = text_of.setdefault(id_, (who, doc.text))
                if first != who and not hint:
                    hint = (
                        f" The id {id_!r} is that of {text!r:.60} by {first}, and of "
                        f"{doc.text!r:.60} by {who}."
                    )
    return f"No text was annotated by two of {', '.join(docs)}.{hint}"


def _units(of_text: Mapping[str, Sequence[Doc]], notes: Counter) -> Iterator[dict[str, Doc]]:
    """Yield the docs of a text that belong together, one of each annotator."""
    last: dict[str, list[tuple[str | None, Doc]]] = {}
    for who, docs in of_text.items():
        kept: dict[str | int, tuple[str | None, Doc]] = {}
        for i, doc in enumerate(docs):
            id_ = as_id(doc.user_data.get(ID))
            kept[i if id_ is None else id_] = (id_, doc)
        notes[ANNOTATED_AGAIN] += len(docs) - len(kept)
        last[who] = list(kept.values())
    n_with = Counter(id_ for docs in last.values() for id_, _ in docs)
    has_shared_ids = None not in n_with and max(n_with.values()) > 1
    if max(map(len, last.values())) > 1 and not has_shared_ids:
        notes[BY_ORDER] += 1
    if max(map(len, last.values())) == 1:
        has_shared_ids = False  # the text says it all
    units: dict[str | int | None, dict[str, Doc]] = {}
    for who, docs_of_one in last.items():
        for i, (id_, doc) in enumerate(docs_of_one):
            units.setdefault(id_ if has_shared_ids else i, {})[who] = doc
    yield from units.values()


def _side_by_side(
    number: int, text: str, docs: Mapping[str, Doc], where: EntitySource
) -> SharedText:
    """Put the annotation of docs of the same text on the same tokens."""
    edges = {
        edge for doc in docs.values() for token in doc for edge in _edges(token.idx, len(token))
    }
    starts = [start for start, end in pairwise(sorted(edges)) if text[start:end].strip()]
    ids = [as_id(doc.user_data.get(ID)) for doc in docs.values()]
    return SharedText(
        number,
        next((id_ for id_ in ids if id_ is not None), None),
        text,
        next(iter(docs.values())),
        {who: _annotation(doc, where, starts) for who, doc in docs.items()},
    )


def _edges(start: int, length: int) -> tuple[int, int]:
    return start, start + length


def _annotation(doc: Doc, where: EntitySource, starts: Sequence[int]) -> AnnotationOfText:
    """Return what a doc says of the tokens with these first characters."""

    def place(start: int, end: int) -> slice:
        return slice(bisect_left(starts, start), bisect_left(starts, end))

    known = np.ones(len(starts), dtype=bool)
    for token in where.unannotated_tokens(doc):
        known[place(*_edges(token.idx, len(token)))] = False
    mentions = []
    for ent in where.entities(doc):
        tokens = place(ent.start_char, ent.end_char)
        if tokens.start < tokens.stop:
            offsets = ent.start_char, ent.end_char
            mentions.append(Mention(tokens.start, tokens.stop, ent.label_, ent.text, *offsets))
    in_order = with_overlaps(mentions) if where.may_overlap else mentions
    return AnnotationOfText(tuple(in_order), known)


def notes_of(findings: Findings) -> list[str]:
    """Return what came up while files were read, in lines."""
    notes = Counter(findings.notes)
    del notes[CONTRADICTIONS]
    n_empty = notes.pop(NO_ENTITY, 0)
    notes[IS_ANNOTATED] = 0 if notes[SKIPPED] else n_empty
    lines = [f"{n:,} {what}" for what, n in sorted(notes.items()) if n]
    if findings.problems:
        lines.append(_of_problems(findings.problems))
    return lines


def _of_problems(problems: Sequence[Problem]) -> str:
    kinds = Counter(problem.kind for problem in problems)
    counts = ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items()))
    first = problems[0]
    return (
        f"Annotation left out because of problems: {counts}. The first: {first.place}: "
        f"{first.message} All are in problems.jsonl."
    )
