"""The one error that a user is shown as a single line, and how others become one."""

from collections.abc import Iterable
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


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the CPU or the GPU has run out of memory."""
    # On a CPU torch says so in a RuntimeError; on a GPU in a class that has this name
    is_of_torch = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or is_of_torch or "DefaultCPUAllocator" in str(error)


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


def check_choice(name: str, value: str, allowed: Iterable[str]) -> None:
    """Check that an argument has one of the values that it may have.

    Args:
        name: The argument, or the option that sets it.
        value: What it was given.
        allowed: What it may be.

    Raises:
        UserError: Naming them.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise UserError(f"{name} {value}: it must be one of {', '.join(allowed)}.")
