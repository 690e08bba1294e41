"""The group of commands, and how a command fails."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional

from click import UsageError
from spacy.cli._util import app, parse_config_overrides, setup_gpu
from typer import Exit, Typer, secho

HELP = """Commands for the BiLSTM-CRF entity recognizer (spacy-bilstm-crf)."""

MOST = 1_000_000_000  # of any number that a command is given

bilstm_crf_cli = Typer(name="bilstm-crf", help=HELP, no_args_is_help=True)
app.add_typer(bilstm_crf_cli)


class InputError(ValueError):
    """Something the user gave can't be used. The message is one line and says what to do."""


def overrides_of(arguments: List[str]) -> Dict[str, Any]:
    """Settings of a config out of a command's further arguments, as `spacy train` takes them.

    Raises:
        InputError: If they are no settings.
    """
    try:
        return parse_config_overrides(arguments)
    except UsageError as error:
        raise InputError(
            f"{error.format_message()} A setting of the config is --section.name value."
        ) from error


def choose_gpu(number: int, silent: bool = False) -> None:
    """Use a GPU, or none for -1.

    Raises:
        InputError: If it can't be used.
    """
    try:
        setup_gpu(number, silent=silent)
    except ValueError as error:
        raise InputError(f"--gpu-id {number}: {error}") from error


def check_folder(output: Path, named_by: str = "--output DIR") -> None:
    """See to it that results can go to a folder, before any work is done for them.

    Args:
        output: The folder.
        named_by: How the command is given it.

    Raises:
        InputError: If there is a file in its place.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file. Name a folder: {named_by}")
    check_parents(output, named_by)


def check_file(output: Path, force: bool) -> None:
    """See to it that a file can be written, before any work is done for it.

    Args:
        output: The file.
        force: Whether one that is there may be replaced.

    Raises:
        InputError: If it may not, or there is a folder in its place, or a file in a folder's.
    """
    if output.exists() and not (force and output.is_file()):
        how = "Replace it with --force, or name" if output.is_file() else "Name"
        raise InputError(f"{output} exists. {how} another file.")
    check_parents(output, "name another file")


def check_parents(output: Path, named_by: str) -> None:
    """See to it that the folders above something to be written are or can be folders.

    Raises:
        InputError: If one is a file.
    """
    for parent in output.absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise InputError(f"{parent} is a file, so there is no {output}: {named_by}")


def check_choice(option: str, value: str, allowed: Iterable[str]) -> None:
    """See to it that an option has one of some values.

    Raises:
        InputError: Naming them.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{option} {value}: it must be one of {', '.join(allowed)}.")


def check_number(option: str, value: Optional[int], least: int = 1, most: int = MOST) -> None:
    """See to it that an option, if it is given, is a number that makes sense.

    Raises:
        InputError: Naming the least and the most.
    """
    if value is not None and not least <= value <= most:
        raise InputError(f"{option} {value}: it must be from {least} to {most:,}.")


def check_probability(option: str, value: Optional[float]) -> None:
    """See to it that an option, if it is given, is a probability.

    Raises:
        InputError: Saying so.
    """
    if value is not None and not 0.0 <= value <= 1.0:
        raise InputError(f"{option} {value} is a probability: it must be from 0 to 1.")


def check_code(path: Optional[Path]) -> None:
    """See to it that the file of --code, if it is given, is there.

    Raises:
        InputError: If it is not.
    """
    if path is not None and not path.is_file():
        raise InputError(f"There is no file {path}: --code")


def import_code(path: Optional[Path]) -> None:
    """Run the file of --code, if it is given, so that what it registers is there.

    Raises:
        InputError: If it is not there, or fails.
    """
    check_code(path)
    if path is None:
        return
    from spacy.util import import_file

    from ..pipeline.failures import one_line

    try:
        import_file("python_code", path)
    except Exception as error:  # the user's code may raise anything
        what = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"--code {path} can't be run: {what}") from error


def check_installed(extra: str, *packages: str) -> None:
    """See to it that what a command needs is installed, before it does anything.

    Args:
        extra: The extra that brings it.
        packages: By the names that they are imported by.

    Raises:
        InputError: Naming the package that is missing, and how to get it.
    """
    for name in packages:
        if find_spec(name) is None:
            raise InputError(
                f"This needs {name}, which is not installed: "
                f'pip install "spacy-bilstm-crf[{extra}]"'
            )


@contextmanager
def fails_in_one_line() -> Iterator[None]:
    """Turn an `InputError` into one line and exit code 1. Other errors keep their traceback."""
    try:
        yield
    except InputError as error:
        secho(f"Error: {error}", fg="red", err=True)
        raise Exit(1) from error
