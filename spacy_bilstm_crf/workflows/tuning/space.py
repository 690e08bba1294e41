"""The search space: which settings of a config vary, between what, and when."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from thinc.api import Config

if TYPE_CHECKING:
    from optuna import Trial

Params = Mapping[str, Any]
NOT_THERE = object()  # None may be a choice
TOLERANCE = 1e-9  # of a number of steps


class Parameter(NamedTuple):
    """A setting that varies."""

    name: str
    paths: tuple[str, ...]  # where in the config its value goes
    type: str  # int, float or categorical
    low: Any
    high: Any
    log: bool
    step: Any  # of a number: None for any
    choices: dict[Any, Any]  # what Optuna is told, and the value in the config
    when: dict[str, list[Any]]  # it is there while each of these parameters has one of the values

    def suggest(self, trial: "Trial") -> Any:
        """Let the sampler choose."""
        if self.type == "categorical":
            return trial.suggest_categorical(self.name, list(self.choices))
        if self.type == "int":
            step = 1 if self.step is None else self.step
            return trial.suggest_int(self.name, self.low, self.high, step=step, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> list[Any]:
        """The values that a config is checked with: each choice, or both ends."""
        if self.type == "categorical":
            return list(self.choices)
        return [self.low] if self.low == self.high else [self.low, self.high]

    def value(self, chosen: Any) -> Any:
        """What goes into the config for what was chosen."""
        return self.choices[chosen] if self.type == "categorical" else chosen

    def chosen(self, value: Any) -> Any:
        """What has to be chosen for a value of the config; `NOT_THERE` outside of the range."""
        if self.type == "categorical":
            found = [key for key, each in self.choices.items() if _is_part(each, value)]
            return found[0] if found else NOT_THERE
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            return NOT_THERE
        if self.type == "int" and value != int(value):
            return NOT_THERE
        if self.step is not None:
            steps = (value - self.low) / self.step
            if abs(steps - round(steps)) > TOLERANCE:
                return NOT_THERE
        return value


def _is_part(block: Any, value: Any) -> bool:
    """Whether a value of the config is the choice, whatever it has beside a block's own keys."""
    if isinstance(block, dict):
        return isinstance(value, dict) and all(
            key in value and _is_part(each, value[key]) for key, each in block.items()
        )
    return bool(block == value) and isinstance(block, bool) == isinstance(value, bool)


class Space(NamedTuple):
    """All of it."""

    parameters: dict[str, Parameter]  # those that others depend on come first
    seed: int
    sampler: dict[str, Any]  # its name, and its arguments
    pruner: dict[str, Any]

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """Let the sampler choose a value for each parameter that is there."""
        params: dict[str, Any] = {}
        for parameter in self.parameters.values():
            if is_active(parameter, params):
                params[parameter.name] = parameter.suggest(trial)
        return params

    def applied(self, config: Config, params: Params) -> Config:
        """The config with the parameters' values in it."""
        changed = config.copy()
        for path, name in self._paths(params):
            _, section, key = _find(changed, path)
            value = self.parameters[name].value(params[name])
            section[key] = json.loads(json.dumps(value)) if isinstance(value, dict) else value
        return changed

    def of_config(self, config: Config) -> dict[str, Any] | None:
        """The parameters that give the config as it is. None if it is not in the space."""
        return None if self.missing_values(config) else self._given(config)

    def missing_values(self, config: Config) -> list[str]:
        """The parameters whose value in the config is not among theirs."""
        return [name for name, value in self._given(config).items() if value is NOT_THERE]

    def values_in(self, config: Config) -> dict[str, Any]:
        """The config's own values of the parameters, as far as these have them."""
        given = self._given(config).items()
        return {name: value for name, value in given if value is not NOT_THERE}

    def _given(self, config: Config) -> dict[str, Any]:
        params: dict[str, Any] = {}
        plain = config.interpolate()
        for parameter in self.parameters.values():
            if is_active(parameter, params):
                values = [get(plain, path) for path in parameter.paths]
                alike = all(value == values[0] for value in values)
                params[parameter.name] = parameter.chosen(values[0]) if alike else NOT_THERE
        return params

    def _paths(self, params: Params) -> list[tuple[str, str]]:
        """Paths to set and the parameters' names; blocks before what is in them."""
        paths = [(path, name) for name in params for path in self.parameters[name].paths]
        return sorted(paths, key=lambda item: item[0].count("."))


def is_active(parameter: Parameter, params: Params) -> bool:
    """Whether a parameter is there, those before it having these values."""
    return all(name in params and params[name] in values for name, values in parameter.when.items())


def _find(config: Config, path: str) -> tuple[bool, dict[str, Any], str]:
    """Whether a path is there; its section, and its name in that."""
    *sections, key = path.split(".")
    section: Any = config
    for name in sections:
        section = section.get(name) if isinstance(section, dict) else None
    there = isinstance(section, dict) and key in section
    return there, section if isinstance(section, dict) else {}, key


def has(config: Config, path: str) -> bool:
    """Whether a config has a path."""
    return _find(config, path)[0]


def get(config: Config, path: str) -> Any:
    """The value at a path. None if it is not there."""
    there, section, key = _find(config, path)
    return section[key] if there else None
