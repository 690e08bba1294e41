"""The search space: which settings of a config vary, within what limits, and on what condition.

It is a file in spaCy's config syntax. `configs/tuning.cfg` is one, which comes with the package.
"""

import json
import math
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from spacy.util import dot_to_object, set_dot_to_object
from thinc.api import Config

from ...common.errors import UserError, one_line
from ...common.resources import SEARCH_SPACE

if TYPE_CHECKING:
    from optuna import Trial

Params = Mapping[str, Any]
T = TypeVar("T")
SCALARS = (str, int, float, bool, type(None))  # all that Optuna stores of a choice
NOT_THERE = object()  # None may be a choice
STEP_TOLERANCE = 1e-9  # of a number of steps


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


ListOf = Annotated[list[T], BeforeValidator(_as_list)]  # a single value is a list of one


class Section(BaseModel):
    """A section of the file, which has no keys but its fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Parameter(Section):
    """A setting that varies: a range of numbers, both ends included, or a set of choices."""

    path: Annotated[ListOf[str], Field(min_length=1)]  # where in the config its value goes
    type: Literal["int", "float", "categorical"]
    low: Any = None
    high: Any = None
    log: bool = False
    step: Any = None  # None for any number
    choices: list[Any] | None = None
    blocks: dict[str, dict[str, Any]] | None = None  # choices that are sections, by name
    when: dict[str, ListOf[Any]] = {}  # active while each of these parameters has one of the values

    @model_validator(mode="after")
    def _check(self) -> "Parameter":
        is_choice = self.type == "categorical"
        for key in ("low", "high", "log", "step") if is_choice else ("choices", "blocks"):
            if key in self.model_fields_set:
                instead = "choices or blocks" if is_choice else "low and high"
                raise ValueError(f"has '{key}', but its type is {self.type}: give it {instead}.")
        if is_choice:
            self._check_choices()
        else:
            self._check_range()
        return self

    def _check_choices(self) -> None:
        if (self.choices is None) == (self.blocks is None):
            raise ValueError("needs either choices, a list, or a section blocks.")
        if not self.values:
            raise ValueError("has no choices.")
        if self.choices is not None and len(self.choices) != len(self.values):
            raise ValueError(f"choices has a duplicate value: {self.choices!r}.")

    def _check_range(self) -> None:
        low, high, step = self.low, self.high, self.step
        kinds = (int,) if self.type == "int" else (int, float)
        for key, value in {"low": low, "high": high, "step": 1 if step is None else step}.items():
            is_number = isinstance(value, kinds) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise ValueError(
                    f"{key} is {value!r}, but must be a number of the type {self.type}."
                )
        for is_wrong, how in (
            (low > high, f"is empty: low is {low}, and high is {high}."),
            (
                self.log and step is not None,
                "has both log and step: Optuna allows only one of them.",
            ),
            (self.log and low <= 0, f"low is {low}, but on a log scale it must be more than 0."),
            (step is not None and step <= 0, f"step is {step}, but it must be more than 0."),
            (
                not self.can_be(high),
                f"high is {high}, which can't be reached from low in steps of {step}.",
            ),
        ):
            if is_wrong:
                raise ValueError(how)

    @property
    def values(self) -> dict[Any, Any]:
        """What the sampler chooses from, with the value in the config of each choice."""
        if self.blocks is not None:
            return dict(self.blocks)
        return {v if isinstance(v, SCALARS) else json.dumps(v): v for v in self.choices or []}

    def is_active(self, params: Params) -> bool:
        """Tell whether the parameter takes part, given the values of those before it."""
        return all(name in params and params[name] in values for name, values in self.when.items())

    def suggest(self, name: str, trial: "Trial") -> Any:
        """Let the sampler choose."""
        if self.type == "categorical":
            return trial.suggest_categorical(name, list(self.values))
        if self.type == "int":
            return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> list[Any]:
        """Return the values that a config is checked with: each choice, or both ends."""
        return list(self.values) or list(dict.fromkeys([self.low, self.high]))

    def to_config(self, chosen: Any) -> Any:
        """Return the value in the config for what the sampler chose."""
        return self.values[chosen] if self.type == "categorical" else chosen

    def from_config(self, value: Any) -> Any:
        """Return what the sampler has to choose for a value of the config, or `NOT_THERE`."""
        if self.type == "categorical":
            return next((k for k, each in self.values.items() if is_part(each, value)), NOT_THERE)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            return NOT_THERE
        step = self.step or (1 if self.type == "int" else 0)
        steps = (value - self.low) / step if step else 0
        return value if abs(steps - round(steps)) <= STEP_TOLERANCE else NOT_THERE

    def can_be(self, chosen: Any) -> bool:
        """Tell whether the sampler can choose a value."""
        if self.type == "categorical":
            return isinstance(chosen, SCALARS) and chosen in self.values
        return self.from_config(chosen) is not NOT_THERE


def is_part(block: Any, value: Any) -> bool:
    """Tell whether a value of the config is a choice, whatever keys it has beside a block's own."""
    if isinstance(block, dict):
        return isinstance(value, dict) and all(
            key in value and is_part(each, value[key]) for key, each in block.items()
        )
    return bool(block == value) and isinstance(block, bool) == isinstance(value, bool)


class OptunaClass(BaseModel):
    """A sampler or pruner: the name of Optuna's class, and its arguments."""

    model_config = ConfigDict(extra="allow")
    name: str

    def make(self, kind: Literal["sampler", "pruner"], **defaults: Any) -> Any:
        """Make the object.

        Raises:
            UserError: If Optuna has none of that name, or it takes no such arguments.
        """
        import optuna

        module = getattr(optuna, f"{kind}s")
        known = [n for n in module.__all__ if n.lower().endswith(kind) and "Base" not in n]
        if self.name not in known:
            raise UserError(
                f"[search.{kind}] {self.name} is not one of Optuna's: {', '.join(known)}."
            )
        try:
            return getattr(module, self.name)(**{**defaults, **(self.model_extra or {})})
        except Exception as error:  # each has its own
            what = f"[search.{kind}] {self.name} can't be used: {one_line(error)}"
            raise UserError(what) from error


class SearchSettings(Section):
    """How to search."""

    seed: int = 0
    sampler: OptunaClass = OptunaClass(name="TPESampler")
    pruner: OptunaClass = OptunaClass(name="MedianPruner")


class Space(Section):
    """A search space. Parameters come after those that they depend on."""

    search: SearchSettings = SearchSettings()
    parameters: dict[str, Parameter] = Field(default={}, validate_default=True)

    @field_validator("parameters")
    @classmethod
    def _check_together(cls, parameters: dict[str, Parameter]) -> dict[str, Parameter]:
        if not parameters:
            raise ValueError("there are no parameters: each needs a section [parameters.NAME].")
        _check_conditions(parameters)
        _check_paths(parameters)
        needs = {name: list(parameter.when) for name, parameter in parameters.items()}
        try:
            return {name: parameters[name] for name in TopologicalSorter(needs).static_order()}
        except CycleError as error:
            names = ", ".join(dict.fromkeys(error.args[1]))
            raise ValueError(f"the parameters {names} depend on one another in a circle.") from None

    @property
    def is_grid(self) -> bool:
        """Whether the sampler tries each point once and then stops the search."""
        return self.search.sampler.name in ("GridSampler", "BruteForceSampler")

    def make_sampler(self, number: int = 0) -> Any:
        """Make the sampler for the trial of a number.

        Each trial has a seed of its own, so that a search that goes on, and processes that run at
        once, draw other numbers.
        """
        sampler, seed = self.search.sampler, self.search.seed
        # A sequence and a grid go on where they were only with the seed that they began with
        is_sequence = sampler.name in ("QMCSampler", "GridSampler")
        return sampler.make("sampler", seed=seed if is_sequence else seed + number)

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """Let the sampler choose a value for each parameter that is active."""
        params: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if parameter.is_active(params):
                params[name] = parameter.suggest(name, trial)
        return params

    def applied(self, config: Config, params: Params) -> Config:
        """Return a copy of the config with the values of the parameters in it."""
        changed = config.copy()
        paths = [(path, name) for name in params for path in self.parameters[name].path]
        # Blocks before what is in them
        for path, name in sorted(paths, key=lambda item: item[0].count(".")):
            value = self.parameters[name].to_config(params[name])
            set_dot_to_object(changed, path, json.loads(json.dumps(value)))
        return changed

    def values_in(self, config: Config) -> tuple[dict[str, Any], list[str]]:
        """Return the parameters that give the config as it is, and those that lack its value."""
        params: dict[str, Any] = {}
        missing: list[str] = []
        plain = config.interpolate()
        for name, parameter in self.parameters.items():
            if parameter.is_active(params):
                first, *others = [value_at(plain, path) for path in parameter.path]
                value = parameter.from_config(first)
                if value is NOT_THERE or any(other != first for other in others):
                    missing.append(name)
                else:
                    params[name] = value
        return params, missing


def value_at(config: Config, path: str) -> Any:
    """Return the value at a path of a config, or `NOT_THERE`."""
    try:
        return dot_to_object(config, path)
    except KeyError:
        return NOT_THERE


def _check_conditions(parameters: Mapping[str, Parameter]) -> None:
    conditions = [(n, other, v) for n, each in parameters.items() for other, v in each.when.items()]
    for name, other, values in conditions:
        where = f"[parameters.{name}.when]"
        if other not in parameters:
            raise ValueError(f"{where} names '{other}', which is not a parameter.")
        for value in values:
            if not parameters[other].can_be(value):
                raise ValueError(f"{where} {other} is {value!r}, a value that it can't have.")


def _check_paths(parameters: Mapping[str, Parameter]) -> None:
    """Check that no path is set by two parameters at once."""
    for (name, first), (other, second) in combinations(parameters.items(), 2):
        shared = sorted(set(first.path) & set(second.path))
        apart = any(
            not set(values) & set(second.when.get(condition, values))
            for condition, values in first.when.items()
        )
        if shared and not apart:
            raise ValueError(
                f"[parameters.{name}] and [parameters.{other}] both set {shared[0]}: give them "
                f"different conditions, or leave one out."
            )


def read_space(path: Path) -> Space:
    """Read a search space from its file, and check it.

    Raises:
        UserError: If there is no such file, or it is no search space. Names what is wrong.
    """
    if not path.is_file():
        raise UserError(
            f"There is no file {path}. Leave it out for the search space that comes with the "
            f"package, or copy that one: python -m spacy bilstm-crf copy-config {SEARCH_SPACE} "
            f"{path}"
        )
    try:
        return Space.model_validate(Config().from_disk(path))
    except ValidationError as error:
        what = _first_problem(error)
    except Exception as error:  # confection has several
        what = f"this is not in spaCy's config syntax: {one_line(error)}"
    raise UserError(f"{path}: {what}")


def _first_problem(error: ValidationError) -> str:
    found = error.errors()[0]
    section, key = [str(part) for part in found["loc"][:-1]], found["loc"][-1]
    if found["type"] == "value_error":  # a check of our own
        text = str(found["ctx"]["error"])
        return f"[{'.'.join(section)}.{key}] {text}" if section else text
    where = f"[{'.'.join(section)}]" if section else "the file"
    if found["type"] == "extra_forbidden":
        return f"{where} has an unknown key '{key}'."
    given = None if found["type"] == "missing" else found["input"]
    return f"{where} {key} is {given!r}: {found['msg'][0].lower()}{found['msg'][1:]}."
