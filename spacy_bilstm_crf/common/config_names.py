"""Names and dollar signs in a config, which loses or changes some of them when it is saved."""

import configparser
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

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
        if not holds_names([name], of_blocks=of_blocks):
            raise ValueError(f"{what} has the name {name!r}, which no config can hold. {instead}")


def holds_names(names: Iterable[str], *, of_blocks: bool = False) -> bool:
    """Tell whether a config can hold names: see `check_config_names`."""
    return all(not name.startswith(RESERVED) and _comes_back(name, of_blocks) for name in names)


def _comes_back(name: str, of_blocks: bool) -> bool:
    content = {"block": {name: {"setting": 1} if of_blocks else 1}}
    try:
        return Config().from_str(Config(content).to_str()) == content
    except (ValueError, configparser.Error):
        return False


def config_text(config: Config) -> str:
    """Return a config as spaCy reads it.

    `Config.to_str` doubles each "$", and spaCy, which reads configs without resolving references at
    once, never halves them: the path `data$/train.spacy` would be `data$$/train.spacy`.

    Args:
        config: The config, with or without its references.
    """
    lines = config.to_str().split("\n")
    # Values with a reference are written as they are
    return "\n".join(x if "${" in x else x.replace("$$", "$") for x in lines)


def unchanged_settings(given: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a config, those as they were saved that nobody has changed since.

    Each time that spaCy saves a pipeline, it doubles the dollar signs in its config.

    Args:
        given: The settings as the config has them, values of JSON.
        saved: The settings as they were saved elsewhere.
    """
    return {
        name: saved[name] if name in saved and _is_same(value, saved[name]) else value
        for name, value in given.items()
    }


def _is_same(one: Any, other: Any) -> bool:
    texts = [json.dumps(value, sort_keys=True) for value in (one, other)]
    single = [re.sub(r"\$+", "$", text) for text in texts]
    return "$" in texts[0] and single[0] == single[1]
