"""The group of commands, and how a command fails."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from click import UsageError
from spacy.cli._util import app, parse_config_overrides, setup_gpu
from typer import Exit, Typer, secho

from ..common.errors import UserError

HELP = """Commands for the BiLSTM-CRF entity recognizer (spacy-bilstm-crf)."""

MOST = 1_000_000_000  # of any number that a command is given

bilstm_crf_cli = Typer(name="bilstm-crf", help=HELP, no_args_is_help=True)
app.add_typer(bilstm_crf_cli)


def overrides_of(arguments: list[str]) -> dict[str, Any]:
    """Settings of a config out of a command's further arguments, as `spacy train` takes them.

    Raises:
        UserError: If they are no settings.
    """
    try:
        return parse_config_overrides(arguments)
    except UsageError as error:
        raise UserError(
            f"{error.format_message()} A setting of the config is --section.name value."
        ) from error


def choose_gpu(number: int, silent: bool = False) -> None:
    """Use a GPU, or none for -1.

    Raises:
        UserError: If it can't be used.
    """
    try:
        setup_gpu(number, silent=silent)
    except ValueError as error:
        raise UserError(f"--gpu-id {number}: {error}") from error


def check_choice(option: str, value: str, allowed: Iterable[str]) -> None:
    """See to it that an option has one of some values.

    Raises:
        UserError: Naming them.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise UserError(f"{option} {value}: it must be one of {', '.join(allowed)}.")


def check_number(option: str, value: int | None, least: int = 1, most: int = MOST) -> None:
    """See to it that an option, if it is given, is a number that makes sense.

    Raises:
        UserError: Naming the least and the most.
    """
    if value is not None and not least <= value <= most:
        raise UserError(f"{option} {value}: it must be from {least} to {most:,}.")


def check_probability(option: str, value: float | None) -> None:
    """See to it that an option, if it is given, is a probability.

    Raises:
        UserError: Saying so.
    """
    if value is not None and not 0.0 <= value <= 1.0:
        raise UserError(f"{option} {value} is a probability: it must be from 0 to 1.")


@contextmanager
def fails_in_one_line() -> Iterator[None]:
    """Turn an `UserError` into one line and exit code 1. Other errors keep their traceback."""
    try:
        yield
    except UserError as error:
        secho(f"Error: {error}", fg="red", err=True)
        raise Exit(1) from error
