"""Convert annotated data between formats."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

import srsly

from ..common.errors import UserError, check_choice
from ..common.files import (
    check_regular,
    files_below,
    reported_os_errors,
    stamp,
    written_whole,
)
from ..data.formats import (
    FORMATS,
    ColumnSettings,
    DocSettings,
    Findings,
    Format,
    FormatSettings,
    check_replaceable,
    read,
    writable,
    write,
)
from ..data.formats.columns import WITHOUT_WORDS
from ..data.formats.contents import Contents
from ..data.formats.docs import BLANKS_AT_EDGES, NOT_ON_TOKENS, OVERLAPPING, PREDICTIONS
from ..data.formats.guess import by_output, detected, looks_like
from ..data.formats.settings import ON_PROBLEM, OVERLAPS, TAG_SCHEMES, UNANNOTATED, UTF8

DEFAULT_TARGET = "spacy"
LISTED = ".problems.jsonl"  # what the name of a list of problems ends in


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
    _check_spans(docs)
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
    listed = _problems_path(output, problems, force)
    findings = Findings()
    with reported_os_errors(output), ExitStack() as stack:  # all files take their places, or none
        files = _files(path, FORMATS[source], output, FORMATS[target], findings)
        _check_outputs(files, FORMATS[target], listed, force)
        written = []
        writing = _prepared(files, source, FORMATS[target], settings)
        for place, goal in files:
            goal.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(written_whole(goal, replace=force))
            before = _stamps(place, FORMATS[source])
            of_goal = writing._replace(
                columns=_columns_of(goal, writing.columns), suffix=goal.suffix.lower()
            )
            contents = _convert_file(place, source, partial, target, settings, of_goal, findings)
            if _stamps(place, FORMATS[source]) != before:
                raise UserError(f"{place} has changed while it was read: convert it again.")
            written.append(ConvertedFile(goal, contents))
        _list_problems(listed, findings)
        for what, n in sorted(findings.notes.items()):
            if n and on_progress is not None:
                on_progress(f"{n:,} {what}")
        if on_problem == "error" and findings.problems:
            raise UserError(_problems_message(findings, lang, listed))
        _check_annotation(path, source, written, findings)
        if docs.keeps_overlaps:
            _check_in_spans(path, source, written, findings, docs)
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


def check_labels(labels: Sequence[str], *formats: str) -> None:
    """Check that names of tags, if there are any, are distinct and of use.

    Args:
        labels: The names.
        formats: The formats to read and to write, of which one at least must have integers.

    Raises:
        UserError: If they are not.
    """
    if labels and not any(FORMATS[name].uses_labels for name in formats):
        which = (
            f"neither {' nor '.join(formats)} has" if len(formats) > 1 else f"{formats[0]} has no"
        )
        raise UserError(f"--labels: {which} integers to name.")
    twice = next((name for name, n in Counter(labels).items() if n > 1), None)
    if twice is not None or "" in labels:
        raise UserError(f"--labels has {twice or 'an empty name'!r}{' twice' if twice else ''}.")


def _check_exists(path: Path) -> None:
    """Check that there is an input that can be read twice.

    Raises:
        UserError: If there is none, or it is a pipe or a device.
    """
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    check_regular(path)


def checked_encoding(name: str | None) -> str:
    """Return the encoding to read with.

    Raises:
        UserError: If there is none of this name.
    """
    if name is None or name.lower() in ("utf8", "utf-8"):
        return UTF8
    try:
        TextIOWrapper(BytesIO(), name)
    except (LookupError, ValueError) as error:
        raise UserError(f"--encoding {name}: there is no encoding of text of this name.") from error
    return name


def _problems_message(findings: Findings, lang: str, listed: Path) -> str:
    first = findings.problems[0]
    n_off = sum(problem.kind == NOT_ON_TOKENS for problem in findings.problems)
    advice = "treat the affected tokens as not annotated with --on-problem missing."
    if any(BLANKS_AT_EDGES in problem.message for problem in findings.problems):
        advice += " --on-problem trim cuts off blanks at the edges of spans."
    if any(problem.kind == OVERLAPPING for problem in findings.problems):
        advice += " --overlaps keep keeps entities that overlap, in doc.spans."
    if n_off > findings.n_mentions / 2:
        advice += f" Most entities are off the tokens of --lang {lang}: is it that of the texts?"
    return (
        f"{len(findings.problems):,} problems, and nothing was written. The first: {first.place}: "
        f"{first.kind}. {first.message} All are in {listed}. Fix them, or {advice}"
    )


def _check_annotation(
    path: Path, source: str, written: list[ConvertedFile], findings: Findings
) -> None:
    """Check that something is annotated.

    Raises:
        UserError: If nothing is, or columns have no tag of an entity.
    """
    contents = [file.contents for file in written]
    if any(each.n_entities or each.n_incorrect or each.n_predictions for each in contents):
        return
    # Where there were problems they say why, and --on-problem what was wanted
    if findings.problems or (findings.n_annotated and source != "conll"):
        return
    n_docs = sum(each.n_docs for each in contents)
    guess = looks_like(path, source)
    raise UserError(
        f"{path}: {n_docs:,} docs, but no entity in any of them. "
        f"{guess or f'Is {source} the right format (--from), and are the options of it right?'}"
    )


def _check_spans(settings: DocSettings) -> None:
    """Check the settings of entities that overlap.

    Raises:
        UserError: If no document could have a group of spans, or another one has its key.
    """
    key = settings.spans_key
    if not settings.keeps_overlaps:
        return
    if settings.unannotated == "missing":
        raise UserError(
            "--overlaps keep is for documents that are completely annotated: leave out "
            "--unannotated missing."
        )
    if key in (settings.incorrect_spans_key, PREDICTIONS):
        raise UserError(f"--spans-key {key} is the key of other spans: name another.")


def _check_in_spans(
    path: Path,
    source: str,
    written: list[ConvertedFile],
    findings: Findings,
    settings: DocSettings,
) -> None:
    """Check that some document has its entities in `doc.spans`, if they are to be there.

    Raises:
        UserError: If none has. It is none where problems say why, or with rejected spans.
    """
    contents = [file.contents for file in written]
    n_docs = sum(each.n_docs for each in contents)
    is_any = any(each.n_docs > each.n_without_spans or each.n_incorrect for each in contents)
    if is_any or findings.problems:
        return
    what = f"none of {n_docs:,} docs is completely annotated"
    advice = "leave out --overlaps keep"
    if source == "spacy":
        what = f"none of {n_docs:,} docs has doc.spans[{settings.spans_key!r}]"
        advice = f"name another key with --spans-key, or {advice}"
    raise UserError(f"{path}: {what}: {advice}.")


def _problems_path(output: Path, problems: str | Path | None, force: bool) -> Path:
    """Return where to list problems.

    Raises:
        UserError: If they can't be listed there.
    """
    if not output.name:
        raise UserError(f"The output {output} can't be created as a file or folder.")
    listed = Path(problems) if problems else output.with_name(f"{output.name}{LISTED}")
    if problems is not None and listed.exists() and not force:
        raise UserError(f"{listed} exists. Replace it with --force, or name another.")
    if listed.exists() and not listed.is_file():
        raise UserError(f"{listed} is not a file: name another with --problems.")
    return listed


def _files(
    path: Path, source: Format, output: Path, target: Format, findings: Findings
) -> list[tuple[Path, Path]]:
    """Return the files to read, and where each goes: of a folder into the same subfolders.

    Raises:
        UserError: If there is none, or what is written would be input the next time.
    """
    if source.is_folder and not path.is_dir():
        suffixes = " and ".join(source.suffixes)
        message = f"{path} is a file, but {source.name} has folders of {suffixes} files."
        raise UserError(f"{message} {looks_like(path, source.name)}".strip())
    if path.resolve() in output.resolve().parents and set(source.suffixes) & set(target.suffixes):
        raise UserError(
            f"{output} is in the folder of the input {path}, and would be a part of it the next "
            f"time: name another output."
        )
    is_one = source.is_folder or not path.is_dir()
    if is_one or (source.is_data_set is not None and source.is_data_set(path)):
        return [(path, output)]
    seen = [
        file
        for file in files_below(path)
        if not file.name.endswith(LISTED) and file.name not in source.beside
    ]
    units = {file: _unit(file, path, source) for file in seen}
    files = [
        file
        for file in dict.fromkeys(units.values())
        if file not in units or file.suffix.lower() in source.suffixes
    ]
    others = [
        file for file, unit in units.items() if unit not in files and not file.name.startswith(".")
    ]
    findings.notes[f"files of {path} with other endings left out"] += len(others)
    for file in files:
        check_regular(file)
    if not files:
        endings = ", ".join(source.suffixes)
        raise UserError(f"{path} contains no {source.name} file: none ends in {endings}.")
    suffix = "" if target.is_folder else target.suffixes[0]
    relative = [file.relative_to(path) for file in files]
    outputs = [
        output / each.with_name((file.name if file.is_dir() else file.stem) + suffix)
        for file, each in zip(files, relative)
    ]
    twice = next((one for one, n in Counter(outputs).items() if n > 1), None)
    if twice is not None:
        raise UserError(
            f"Two files of {path} would both be written to {twice}: convert them one by one."
        )
    return list(zip(files, outputs))


def _unit(file: Path, folder: Path, source: Format) -> Path:
    """A file, or the folder below another one that is a data set with it in."""
    is_data_set = source.is_data_set
    if is_data_set is None:
        return file
    above = [folder / each for each in file.relative_to(folder).parents]
    return next((each for each in reversed(above) if is_data_set(each)), file)


def _check_outputs(
    files: list[tuple[Path, Path]], target: Format, listed: Path, force: bool
) -> None:
    """Check that nothing is replaced but what such a conversion may have written.

    Raises:
        UserError: If a file would replace a folder or what is read, or a folder something else than
            the format's files, or if the format has no such files.
    """
    for path, output in files:
        here, there = path.resolve(), output.resolve()
        if here == there or (path.is_dir() and there in here.parents):
            raise UserError(f"{output} is, or contains, the input: name another output.")
        check_replaceable(output, target)
        ending = output.suffix.lower()
        if ending in target.only_read:
            raise UserError(
                f"{target.name} can't be written as {ending}: name a {target.suffixes[0]} file."
            )
    if listed.resolve() in {place.resolve() for pair in files for place in pair}:
        raise UserError(
            f"{listed} is itself an input or output: name another file with --problems."
        )
    existing = [output for _, output in files if output.exists()]
    if existing and not force:
        raise UserError(f"{existing[0]} exists. Replace it with --force, or name another.")


def _stamps(path: Path, source: Format) -> list[tuple[Path, tuple[int, int, int]]]:
    """What changes with the files that are read."""
    if not path.is_dir():
        return [(path, stamp(path))]
    files = [file for file in files_below(path) if file.suffix.lower() in source.suffixes]
    return [(file, stamp(file)) for file in files if file.is_file()]


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
