"""The files that a conversion reads, and where each goes."""

from collections import Counter
from pathlib import Path

from ...common.errors import UserError
from ...common.files import check_regular, files_below, stamp
from ...data.formats import Findings, Format, check_replaceable
from ...data.formats.guess import looks_like

LISTED = ".problems.jsonl"  # what the name of a list of problems ends in


def path_of_problems(output: Path, problems: str | Path | None, force: bool) -> Path:
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


def pairs_of(
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


def check_outputs(
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


def stamps(path: Path, source: Format) -> list[tuple[Path, tuple[int, int, int]]]:
    """What changes with the files that are read."""
    if not path.is_dir():
        return [(path, stamp(path))]
    files = [file for file in files_below(path) if file.suffix.lower() in source.suffixes]
    return [(file, stamp(file)) for file in files if file.is_file()]
