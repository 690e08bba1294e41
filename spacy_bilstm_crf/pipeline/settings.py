"""The component's settings: one place checks them, wherever they come from."""

from typing import Any, Dict, Protocol

from ..decoding.settings import DecodingSettings
from ..training.losses import EntityRatio


class HasSettings(Protocol):
    """A component with settings."""

    name: str
    cfg: Dict[str, Any]


def setting(name: str, meaning: str) -> Any:
    """A property of the component that is kept in its `cfg`, and checked when it is set."""

    def get(ner: HasSettings) -> Any:
        return ner.cfg[name]

    def set_checked(ner: HasSettings, value: Any) -> None:
        check_settings({**ner.cfg, name: value}, ner.name)
        ner.cfg[name] = value

    return property(get, set_checked, doc=meaning)


def check_settings(cfg: Dict[str, Any], component: str) -> None:
    """Check a component's settings, wherever they come from.

    Raises:
        ValueError: Naming the one that makes no sense.
    """
    decoding_settings(cfg).check(component)
    EntityRatio.from_setting(cfg["entity_ratio"], component)
    candidates_key = cfg["candidates_key"]
    if cfg["candidates_threshold"] is not None and candidates_key == (
        cfg["spans_key"] or component
    ):
        raise ValueError(
            f"The spans_key and the candidates_key of '{component}' are both '{candidates_key}': "
            f"one would overwrite the other. Change one of them."
        )


def decoding_settings(cfg: Dict[str, Any]) -> DecodingSettings:
    """Those of the settings that decoding needs."""
    return DecodingSettings(*(cfg[name] for name in DecodingSettings._fields))
