"""How a search says that it can't be done."""


class TuningError(ValueError):
    """A search can't be started, or has come to nothing. The message is one line."""
