"""The group of commands, and how a command fails."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator

from spacy.cli._util import app
from typer import Exit, Typer, secho

HELP = """Commands for the BiLSTM-CRF entity recognizer (spacy-bilstm-crf)."""

bilstm_crf_cli = Typer(name="bilstm-crf", help=HELP, no_args_is_help=True)
app.add_typer(bilstm_crf_cli)


class InputError(ValueError):
    """Something the user gave can't be used. The message is one line and says what to do."""


def check_folder(output: Path) -> None:
    """See to it that results can go to a folder, before any work is done for them.

    Raises:
        InputError: If there is a file in its place.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file. Name a folder: --output DIR")


def check_choice(option: str, value: str, allowed: Iterable[str]) -> None:
    """See to it that an option has one of some values.

    Raises:
        InputError: Naming them.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{option} {value}: it must be one of {', '.join(allowed)}.")


@contextmanager
def fails_in_one_line() -> Iterator[None]:
    """Turn an `InputError` into one line and exit code 1. Other errors keep their traceback."""
    try:
        yield
    except InputError as error:
        secho(f"Error: {error}", fg="red", err=True)
        raise Exit(1) from error
