"""Labels and keys as names of a config: not all of them come back from a saved one."""

import configparser
from collections.abc import Iterable

from thinc.api import Config

RESERVED = ("@", "*")  # what a name begins with that a config takes for something else


def check_names(what: str, names: Iterable[str], instead: str, *, of_blocks: bool = False) -> None:
    """See to it that a config can hold names, so that what is saved can be loaded.

    Args:
        what: Says in the error what has the names.
        names: The names.
        instead: Says what to do.
        of_blocks: Whether they are names of blocks rather than of settings.

    Raises:
        ValueError: Naming the first that a config would lose or change.
    """
    for name in names:
        if name.startswith(RESERVED) or not _comes_back(name, of_blocks):
            raise ValueError(f"{what} has the name {name!r}, which no config can hold. {instead}")


def _comes_back(name: str, of_blocks: bool) -> bool:
    content = {"block": {name: {"setting": 1} if of_blocks else 1}}
    try:
        return Config().from_str(Config(content).to_str()) == content
    except (ValueError, configparser.Error):
        return False
