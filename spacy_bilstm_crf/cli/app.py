"""The group of commands, which fail with one line and exit code 1."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click
import typer
from spacy.cli._util import app, parse_config_overrides, setup_gpu
from typer.core import TyperGroup

from ..common.errors import UserError
from ..common.pipelines import import_code

HELP = """Commands for the BiLSTM-CRF entity recognizer (spacy-bilstm-crf)."""

# A typer that has its own copy of click raises errors of its own classes
USAGE_ERRORS: tuple[Any, ...] = (click.UsageError, *typer.BadParameter.__bases__)


class OneLineErrors(TyperGroup):
    """A group whose commands end with one line and exit code 1 if the user can fix the error.

    These are wrong options, every `UserError`, and Ctrl-C. Other errors keep their traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and print errors that the user can fix as one line."""
        if isinstance(sys.stdout, TextIOWrapper):
            # Into a file or a pipe Windows writes with a code page that lacks most characters
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except UserError as error:
            message = str(error)
        except USAGE_ERRORS as error:
            message = error.format_message()
        except KeyboardInterrupt:
            message = "Stopped."
        typer.secho(f"Error: {message}", fg="red", err=True)
        raise typer.Exit(1)


bilstm_crf_cli = typer.Typer(name="bilstm-crf", help=HELP, no_args_is_help=True, cls=OneLineErrors)
app.add_typer(bilstm_crf_cli)


def parse_overrides(arguments: list[str]) -> dict[str, Any]:
    """Read settings of a config from a command's extra arguments, as `spacy train` does.

    Raises:
        UserError: If one is not a setting.
    """
    try:
        return parse_config_overrides(arguments)
    except USAGE_ERRORS as error:
        raise UserError(
            f"{error.format_message()} Settings of the config are given as --section.name value."
        ) from error


def choose_gpu(number: int, silent: bool = False) -> None:
    """Choose the GPU with this number, or the CPU for -1.

    Raises:
        UserError: If there is no such GPU.
    """
    try:
        setup_gpu(number, silent=silent)
    except ValueError as error:
        raise UserError(f"--gpu-id {number}: {error}") from error


def prepare(code: Path | None, use_gpu: int, *, silent: bool = False) -> None:
    """Run the file of --code, if it is given, and choose the GPU.

    Raises:
        UserError: If the file can't be run, or there is no such GPU.
    """
    import_code(code)
    choose_gpu(use_gpu, silent)
