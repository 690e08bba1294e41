"""The component's settings: one place checks them, wherever they come from."""

from typing import Any, Dict, Optional, Protocol

from ..decoding import DecodingSettings
from ..training import EntityRatio


class HasSettings(Protocol):
    """A component with settings."""

    name: str
    cfg: Dict[str, Any]


class Setting:
    """A property of the component that is kept in its `cfg`, and checked when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, ner: Optional[HasSettings], owner: type) -> Any:
        return self if ner is None else ner.cfg[self.name]

    def __set__(self, ner: HasSettings, value: Any) -> None:
        check_settings({**ner.cfg, self.name: value}, ner.name)
        ner.cfg[self.name] = value


def check_settings(cfg: Dict[str, Any], component: str) -> None:
    """Check a component's settings, wherever they come from.

    Raises:
        ValueError: Naming the one that makes no sense.
    """
    decoding_settings(cfg).check(component)
    EntityRatio.from_setting(cfg["entity_ratio"], component)
    candidates_key = cfg["candidates_key"]
    if cfg["candidates_threshold"] is not None and candidates_key == cfg["spans_key"]:
        raise ValueError(
            f"The spans_key and the candidates_key of '{component}' are both '{candidates_key}': "
            f"one would overwrite the other. Change one of them."
        )


def decoding_settings(cfg: Dict[str, Any]) -> DecodingSettings:
    """Those of the settings that decoding needs."""
    return DecodingSettings(*(cfg[name] for name in DecodingSettings._fields))
