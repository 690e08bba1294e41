"""The group of commands, and how a command fails."""

from contextlib import contextmanager
from typing import Iterator

from spacy.cli._util import app
from typer import Exit, Typer, secho

HELP = """Commands for the BiLSTM-CRF entity recognizer (spacy-bilstm-crf)."""

bilstm_crf_cli = Typer(name="bilstm-crf", help=HELP, no_args_is_help=True)
app.add_typer(bilstm_crf_cli)


class InputError(ValueError):
    """Something the user gave can't be used. The message is one line and says what to do."""


@contextmanager
def fails_in_one_line() -> Iterator[None]:
    """Turn an `InputError` into one line and exit code 1. Other errors keep their traceback."""
    try:
        yield
    except InputError as error:
        secho(f"Error: {error}", fg="red", err=True)
        raise Exit(1) from error
