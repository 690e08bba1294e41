"""The one error that a user is shown as a single line, and how others become one."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# Enough of an error to see what is wrong: spaCy's own about a config prints the whole of it
MOST_CHARACTERS = 300


class UserError(ValueError):
    """Something the user gave can't be used.

    The message is one line, names the offending value and says what to do. A command prints it and
    ends with exit code 1; from Python it is a `ValueError`.
    """


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line of at most `MOST_CHARACTERS` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " ..."


@contextmanager
def reported_errors(what: str = "", kind: type[Exception] = ValueError) -> Iterator[None]:
    """Turn an error of spaCy or a component into a `UserError`.

    Args:
        what: What went wrong, to put before the error's own message.
        kind: The class of errors to turn; others are raised as they are.

    Raises:
        UserError: The same in one line. One that is raised in the block is left as it is.
    """
    try:
        yield
    except UserError:
        raise
    except kind as error:
        raise UserError(f"{what}: {one_line(error)}" if what else one_line(error)) from error


@contextmanager
def reported_damage(what: str) -> Iterator[None]:
    """Turn whatever error a damaged file leads to into a `UserError`.

    Args:
        what: The message, to which the kind of the error is added.

    Raises:
        UserError: With that message.
    """
    try:
        yield
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:  # json, numpy, zlib, msgpack and spaCy each have their own
        raise UserError(f"{what} ({type(error).__name__}).") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the CPU or the GPU has run out of memory."""
    # On a CPU torch says so in a RuntimeError; on a GPU in a class that has this name
    is_of_torch = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or is_of_torch or "DefaultCPUAllocator" in str(error)


def check_at_least(least: float, **given: float | None) -> None:
    """Check that arguments, those that are not None, are at least so large.

    Raises:
        UserError: Naming the first that is not.
    """
    for name, value in given.items():
        if value is not None and not value >= least:
            raise UserError(f"{name} must be at least {least}, but is {value}.")


def check_probability(**given: float | None) -> None:
    """Check that arguments, those that are not None, are probabilities.

    Raises:
        UserError: Naming the first that is not.
    """
    for name, value in given.items():
        if value is not None and not 0.0 <= value <= 1.0:
            raise UserError(f"{name} must be a probability, from 0 to 1, but is {value}.")


def check_installed(extra: str, *packages: str) -> None:
    """Check that optional packages are installed, before any work is done.

    Args:
        extra: The extra of this package that installs them.
        packages: Names that they are imported by.

    Raises:
        UserError: Naming the first package that is missing and how to install it.
    """
    for name in packages:
        if find_spec(name) is None:
            raise UserError(
                f"This needs {name}, which is not installed: "
                f'pip install "spacy-bilstm-crf[{extra}]"'
            )


def check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    """Check that an argument has one of the values that it may have.

    Args:
        name: The argument, or the option that sets it.
        value: What it was given.
        allowed: What it may be.

    Raises:
        UserError: Naming them.
    """
    if value not in allowed:
        raise UserError(f"{name} {value}: it must be one of {', '.join(allowed)}.")
