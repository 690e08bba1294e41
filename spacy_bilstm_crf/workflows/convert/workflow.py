"""Convert annotated data between formats."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import srsly

from ...common.errors import UserError, check_choice
from ...common.files import check_regular, reported_os_errors, written_whole
from ...data.formats import (
    FORMATS,
    ColumnSettings,
    DocSettings,
    Findings,
    Format,
    FormatSettings,
    read,
    writable,
    write,
)
from ...data.formats.columns import WITHOUT_WORDS
from ...data.formats.contents import Contents
from ...data.formats.guess import by_output, detected
from ...data.formats.settings import ON_PROBLEM, OVERLAPS, TAG_SCHEMES, UNANNOTATED
from .checks import (
    check_annotation,
    check_in_spans,
    check_labels,
    check_spans_settings,
    checked_encoding,
    message_of,
)
from .places import LISTED, check_outputs, pairs_of, path_of_problems, stamps

DEFAULT_TARGET = "spacy"


class ConvertedFile(NamedTuple):
    """A file, or a folder of a format that has folders, that was written.

    Attributes:
        path: Where it is.
        contents: What is in it: the number of documents, entities of each label, and an example.
    """

    path: Path
    contents: Contents

    @property
    def n_docs(self) -> int:
        """The number of documents in it."""
        return self.contents.n_docs


class Conversion(NamedTuple):
    """What `convert` did.

    Attributes:
        files: What was written.
        findings: The problems, and what was left out or changed.
        problems_path: The list of the problems; None if there are none.
    """

    files: list[ConvertedFile]
    findings: Findings
    problems_path: Path | None


def convert(
    source_path: str | Path,
    output: str | Path,
    *,
    source: str | None = None,
    target: str | None = None,
    lang: str = "xx",
    text_key: str = "text",
    encoding: str | None = None,
    labels: Sequence[str] = (),
    on_problem: str = "error",
    overlaps: str = "problem",
    spans_key: str = "sc",
    unannotated: str = "outside",
    incorrect_spans_key: str = "incorrect_spans",
    columns: ColumnSettings | None = None,
    layer: str | None = None,
    problems: str | Path | None = None,
    force: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> Conversion:
    """Convert a file of annotated data, or each file of a folder, to another format.

    No file is written until all are complete.

    Args:
        source_path: A file, or a folder of them.
        output: The file to write, or the folder for the files of a folder.
        source: The format to read, one of `data.formats.FORMATS`; None to detect it from the files.
        target: The format to write, one of `data.formats.writable()`; None for the one that alone
            has the output's ending, or "spacy".
        lang: Language whose tokenizer splits texts that come without tokens.
        text_key: Key of the text in JSON.
        encoding: Encoding of the files to read; None for UTF-8.
        labels: Names of tags, in the order of the integers that stand for them in data sets of
            Hugging Face. They are needed if no file has them.
        on_problem: What to do with a document whose annotation a `Doc` can't represent. "error"
            writes nothing, "skip" leaves it out, "missing" treats the affected tokens as not
            annotated, "trim" cuts blanks off the edges of spans and then does the same.
        overlaps: "problem" if entities that overlap are one, "longest" to keep the longest, "keep"
            to keep all: those of each completely annotated document go to `doc.spans`, and to files
            that are written from there. `doc.ents` gets the longest.
        spans_key: Key in `doc.spans` of entities that may overlap.
        unannotated: "outside" if tokens without annotation are not in an entity, "missing" if that
            is unknown.
        incorrect_spans_key: Key in `doc.spans` of rejected spans.
        columns: The layout of CoNLL columns.
        layer: Layer of INCEpTION that has the entities, by its name or the last part of it; None
            for that of named entities, or the only other one.
        problems: The JSONL file to list problems in, instead of `OUTPUT.problems.jsonl`.
        force: Whether to replace files that exist.
        on_progress: Called with a line on the formats, if they were not named, and one for each
            kind of thing that was left out or changed.

    Returns:
        The files that were written, and the problems.

    Raises:
        UserError: If an argument can't be used, a file can't be read or written, nothing is
            annotated, or there are problems and `on_problem` is "error".
    """
    path, output = Path(source_path), Path(output)
    columns = columns or ColumnSettings()
    for name, value, allowed in (
        ("on_problem", on_problem, ON_PROBLEM),
        ("overlaps", overlaps, OVERLAPS),
        ("unannotated", unannotated, UNANNOTATED),
        ("scheme", columns.scheme, TAG_SCHEMES),
    ):
        check_choice(name, value, allowed)
    if columns.separator == "":
        raise UserError("--separator is empty. Leave it out to split at spaces and tabs.")
    if not columns.tags:
        raise UserError("There is no column of tags: name at least one.")
    docs = DocSettings(on_problem, unannotated, incorrect_spans_key, overlaps, spans_key)
    check_spans_settings(docs)
    settings = FormatSettings(
        lang,
        text_key,
        docs,
        columns,
        checked_encoding(encoding),
        tuple(labels),
        layer=layer,
    )
    source, target = _formats(path, output, source, target, settings, on_progress)
    listed = path_of_problems(output, problems, force)
    findings = Findings()
    with reported_os_errors(output), ExitStack() as stack:  # all files take their places, or none
        files = pairs_of(path, FORMATS[source], output, FORMATS[target], findings)
        check_outputs(files, FORMATS[target], listed, force)
        written = []
        writing = _prepared(files, source, FORMATS[target], settings)
        for place, goal in files:
            goal.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(written_whole(goal, replace=force))
            before = stamps(place, FORMATS[source])
            of_goal = writing._replace(
                columns=_columns_of(goal, writing.columns), suffix=goal.suffix.lower()
            )
            contents = _convert_file(place, source, partial, target, settings, of_goal, findings)
            if stamps(place, FORMATS[source]) != before:
                raise UserError(f"{place} has changed while it was read: convert it again.")
            written.append(ConvertedFile(goal, contents))
        _list_problems(listed, findings)
        for what, n in sorted(findings.notes.items()):
            if n and on_progress is not None:
                on_progress(f"{n:,} {what}")
        if on_problem == "error" and findings.problems:
            raise UserError(message_of(findings, lang, listed))
        contents_of_all = [file.contents for file in written]
        check_annotation(path, source, contents_of_all, findings)
        if docs.keeps_overlaps:
            check_in_spans(path, source, contents_of_all, findings, docs)
    return Conversion(written, findings, listed if findings.problems else None)


def _formats(
    path: Path,
    output: Path,
    source: str | None,
    target: str | None,
    settings: FormatSettings,
    on_progress: Callable[[str], None] | None,
) -> tuple[str, str]:
    """Return the formats to read and to write, and say which they are if they were not named.

    Raises:
        UserError: If there is no such format, or the one to read can't be told.
    """
    for name, value, allowed in (
        ("source", source, sorted(FORMATS)),
        ("target", target, writable()),
    ):
        if value is not None:
            check_choice(name, value, allowed)
    with reported_os_errors(path):
        _check_exists(path)
        found = source or detected(path, settings)
    written = target or by_output(output) or DEFAULT_TARGET
    parts = [] if source else [f"{path} is read as {found}"]
    is_clear = target is not None or output.suffix in ("", f".{DEFAULT_TARGET}")
    parts += [] if is_clear else [f"{output} is written as {written}"]
    if parts and on_progress is not None:
        on_progress(", ".join(parts))
    check_labels(settings.labels, found, written)
    return found, written


def _check_exists(path: Path) -> None:
    """Check that there is an input that can be read twice.

    Raises:
        UserError: If there is none, or it is a pipe or a device.
    """
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    check_regular(path)


def _prepared(
    files: list[tuple[Path, Path]], source: str, target: Format, settings: FormatSettings
) -> FormatSettings:
    """Return how to write files, with what they have in common."""
    if target.prepare is None or len(files) < 2:
        return settings
    found = (doc for place, _ in files for doc in read(place, source, settings, Findings()))
    return target.prepare(found, settings)


def _columns_of(goal: Path, columns: ColumnSettings) -> ColumnSettings:
    """Return how columns are written: with commas where the name says so."""
    is_csv = goal.suffix.lower() == ".csv" and columns.separator != ";"
    return columns._replace(separator=",") if is_csv else columns


def _convert_file(
    path: Path,
    source: str,
    output: Path,
    target: str,
    settings: FormatSettings,
    writing: FormatSettings,
    findings: Findings,
) -> Contents:
    """Convert a file and return what is in the new one.

    Raises:
        UserError: If it is not of its format, or has no docs.
    """
    n_before = findings.notes[WITHOUT_WORDS]
    contents = write(read(path, source, settings, findings), output, target, writing, findings)
    if not contents.n_docs:
        n = len(findings.problems)
        without = f" without a problem ({n} found)" if n else ""
        raise UserError(f"{path} contains no documents{without}.")
    contents.n_docs -= findings.notes[WITHOUT_WORDS] - n_before
    return contents


def _list_problems(listed: Path, findings: Findings) -> None:
    """List the problems, or remove the list of an earlier run."""
    if findings.problems:
        listed.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_jsonl(listed, [problem._asdict() for problem in findings.problems])
    elif listed.name.endswith(LISTED):
        listed.unlink(missing_ok=True)
