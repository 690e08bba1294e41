"""Settings of a component, and their checks."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from spacy.tokens import Doc
from spacy.training import Example

from ..calibration import Calibration
from ..common.config_names import unchanged_settings
from ..decoding import DecodingSettings

# Key in `cfg` of the settings as the config had them when the component was created
CONFIGURED = "configured"
# Key in `cfg` of the least probability of a tag sequence in the set of its doc, as it was fitted
LEAST_OF_SET = "least_of_set"
# Key in `nlp.meta` of how it was fitted, by the names of components
COVERAGE_KEY = "coverage"


class HasSettings(Protocol):
    """A component with settings, which are saved in `cfg`."""

    cfg: dict[str, Any]

    def _check_settings(self, cfg: dict[str, Any]) -> None:
        """Check settings before they are set."""


class Setting:
    """A property of a component that is stored in its `cfg` and checked when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, ner: HasSettings | None, owner: type) -> Any:
        return self if ner is None else ner.cfg[self.name]

    def __set__(self, ner: HasSettings, value: Any) -> None:
        ner._check_settings({**ner.cfg, self.name: value})
        ner.cfg[self.name] = value


def check_settings(cfg: dict[str, Any], component: str) -> None:
    """Check the settings that all components around a CRF have.

    Args:
        cfg: The settings, with the labels and the calibration.
        component: Name of the component, for the message.

    Raises:
        ValueError: If a setting is invalid.
    """
    _check_labels(cfg["labels"], component)
    calibration_of(cfg).check(len(cfg["labels"]), component)
    decoding_settings(cfg).check(component)
    factor = cfg["resume_factor"]
    if not isinstance(factor, (int, float)) or not 0.0 <= factor <= 1.0:
        raise ValueError(
            f"The resume_factor of '{component}' is {factor!r}, but it must be a number from 0, "
            f"which keeps trained weights as they are, to 1, which trains all alike."
        )
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
            f"The labels of '{component}' are {labels!r}, but they must be a list of distinct, "
            f"non-empty strings."
        )


def labels_to_add(
    given: list[str] | dict[Any, dict[str, int]] | None,
    get_examples: Callable[[], Iterable[Example]],
    labels_of: Callable[[Doc], Iterable[str]],
) -> list[str]:
    """Return the entity labels for `initialize` to add.

    Args:
        given: Labels, or the `label_data` of spaCy's `ner`: counts of labels by action. None takes
            the labels of the examples.
        get_examples: Returns the examples.
        labels_of: Returns the labels of an annotated doc.
    """
    if given is None:
        references = (eg.reference for eg in get_examples())
        return sorted({label for doc in references for label in labels_of(doc)})
    if isinstance(given, dict):
        return sorted({label for counts in given.values() for label in counts if label})
    return list(given)


def merge_loaded(saved: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a component that was loaded.

    A setting has its saved value, unless the config has changed since then: in the file, or through
    the `config` argument of `spacy.load`.

    Args:
        saved: The saved settings.
        given: The settings that the component was created with.
    """
    saved = _decimals(saved)
    then = saved.get(CONFIGURED, {})
    now = unchanged_settings(given[CONFIGURED], then)
    changed = {name: value for name, value in now.items() if then.get(name, value) != value}
    # A pipeline of an earlier version lacks settings that came later
    return {**now, **saved, **changed, CONFIGURED: now}


def _decimals(value: Any) -> Any:
    """Return a value of JSON as it was written: spaCy reads 0.3 as 0.30000000000000004."""
    if isinstance(value, float):
        return float(f"{value:.15g}")
    if isinstance(value, list):
        return [_decimals(each) for each in value]
    if isinstance(value, dict):
        return {key: _decimals(each) for key, each in value.items()}
    return value


def calibration_of(cfg: dict[str, Any]) -> Calibration:
    """Return the calibration among the settings."""
    return Calibration(*(cfg[name] for name in Calibration._fields))


def decoding_settings(cfg: dict[str, Any]) -> DecodingSettings:
    """Return the settings of decoding."""
    given = {name: cfg[name] for name in DecodingSettings._fields if name in cfg}
    return DecodingSettings(**{"entity_scores": True, **given})
