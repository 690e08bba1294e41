"""The component's settings: one place checks them, wherever they come from."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from spacy.training import Example

from ..calibration import Calibration
from ..decoding import DecodingSettings
from ..training import EntityRatio

# What the config said when the component was made, beside the settings as they are now
CONFIGURED = "configured"


class HasSettings(Protocol):
    """A component with settings."""

    name: str
    cfg: dict[str, Any]


class Setting:
    """A property of the component that is kept in its `cfg`, and checked when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, ner: HasSettings | None, owner: type) -> Any:
        return self if ner is None else ner.cfg[self.name]

    def __set__(self, ner: HasSettings, value: Any) -> None:
        check_settings({**ner.cfg, self.name: value}, ner.name)
        ner.cfg[self.name] = value


def check_settings(cfg: dict[str, Any], component: str) -> None:
    """Check a component's settings, wherever they come from.

    Raises:
        ValueError: Naming the one that makes no sense.
    """
    _check_labels(cfg["labels"], component)
    calibration_of(cfg).check(len(cfg["labels"]), component)
    decoding_settings(cfg).check(component)
    EntityRatio.from_setting(cfg["entity_ratio"], component)
    candidates_key = cfg["candidates_key"]
    if cfg["candidates_threshold"] is not None and candidates_key == cfg["spans_key"]:
        raise ValueError(
            f"The spans_key and the candidates_key of '{component}' are both '{candidates_key}': "
            f"one would overwrite the other. Change one of them."
        )


def _check_labels(labels: Any, component: str) -> None:
    is_list = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not is_list or len(set(labels)) != len(labels) or not all(labels):
        raise ValueError(
            f"The labels of '{component}' are {labels!r}, but they must be a list of strings, none "
            f"of them empty or twice."
        )


def labels_to_add(
    given: list[str] | dict[Any, dict[str, int]] | None,
    get_examples: Callable[[], Iterable[Example]],
) -> list[str]:
    """The entity labels that `initialize` is to add.

    Args:
        given: Labels, or the stock ner's `label_data`: counts of labels, by action. None takes
            those of the examples.
        get_examples: Returns the examples.
    """
    if given is None:
        references = (eg.reference for eg in get_examples())
        return sorted({ent.label_ for doc in references for ent in doc.ents})
    if isinstance(given, dict):
        return sorted({label for counts in given.values() for label in counts if label})
    return list(given)


def loaded(saved: dict[str, Any], given: dict[str, Any], component: str) -> dict[str, Any]:
    """The settings of a component that was loaded.

    A setting is as it was saved, unless the config says another thing than it did then: somebody
    has changed it there, or in what is given to `spacy.load`.

    Args:
        saved: What was saved.
        given: The settings of the component as the config has made it.
        component: Its name.

    Raises:
        ValueError: Naming the setting that makes no sense.
    """
    then, now = saved.get(CONFIGURED, {}), given[CONFIGURED]
    changed = {name: value for name, value in now.items() if then.get(name, value) != value}
    found = {**saved, **changed, CONFIGURED: now}
    check_settings(found, component)
    return found


def calibration_of(cfg: dict[str, Any]) -> Calibration:
    """The calibration among the settings."""
    return Calibration(*(cfg[name] for name in Calibration._fields))


def decoding_settings(cfg: dict[str, Any]) -> DecodingSettings:
    """Those of the settings that decoding needs."""
    return DecodingSettings(*(cfg[name] for name in DecodingSettings._fields))
