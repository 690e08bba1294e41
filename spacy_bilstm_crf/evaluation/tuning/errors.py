"""How a search says that it can't be done."""

# Enough of an error to see what is wrong: spaCy's own about a config prints the whole of it
MOST_CHARACTERS = 300


class TuningError(ValueError):
    """A search can't be started, or has come to nothing. The message is one line."""


def one_line(error: BaseException) -> str:
    """What an error says, in one line and not at any length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " ..."
