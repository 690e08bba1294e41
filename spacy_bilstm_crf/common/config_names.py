"""Labels and keys as names in a config, which loses or changes some of them when it is saved."""

import configparser
from collections.abc import Iterable

from thinc.api import Config

RESERVED = ("@", "*")  # prefixes of names with another meaning in a config


def check_config_names(
    what: str, names: Iterable[str], instead: str, *, of_blocks: bool = False
) -> None:
    """Check that a config can hold names, so that what is saved can be loaded.

    Args:
        what: What has the names, for the message.
        names: The names.
        instead: What to do, for the message.
        of_blocks: Whether they are names of blocks rather than of settings.

    Raises:
        ValueError: Naming the first one that a config would lose or change.
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
