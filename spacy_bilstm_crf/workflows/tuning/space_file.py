"""Read a search space from its file, and say what is wrong with it.

It is a file in spaCy's config syntax:

    [search]
    seed = 0

    [search.sampler]
    name = "TPESampler"

    [search.pruner]
    name = "MedianPruner"

    [parameters]

    [parameters.layers]
    path = "components.ner.model.depth"
    type = "int"
    low = 1
    high = 3

    [parameters.encoder]
    path = "components.ner.model.tok2vec"
    type = "categorical"

    [parameters.encoder.blocks]

    [parameters.encoder.blocks.cnn]
    @architectures = "spacy-bilstm-crf.CharCNNEmbed.v1"

    [parameters.filters]
    path = "components.ner.model.tok2vec.filters"
    type = "int"
    low = 20
    high = 80
    step = 10

    [parameters.filters.when]
    encoder = "cnn"
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thinc.api import Config

from ...common.errors import UserError, one_line
from .space import NOT_THERE, TOLERANCE, Parameter, Space

TYPES = ("int", "float", "categorical")
KEYS = ("path", "type", "low", "high", "log", "step", "choices", "blocks", "when")
SCALARS = (str, int, float, bool, type(None))
DEFAULT_SEARCH: dict[str, Any] = {
    "seed": 0,
    "sampler": {"name": "TPESampler"},
    "pruner": {"name": "MedianPruner"},
}


def read_space(path: Path) -> Space:
    """Read a search space.

    Raises:
        UserError: If there is no such file, or it is no search space.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}. configs/tuning.cfg is a search space.")
    try:
        return parse_space(path.read_text(encoding="utf8"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: {error}") from error


def parse_space(text: str) -> Space:
    """The search space that a text describes.

    Raises:
        UserError: If it describes none. Names what is wrong.
    """
    try:
        found = Config().from_str(text)
    except Exception as error:  # confection has several
        raise UserError(f"this is not in spaCy's config syntax: {one_line(error)}") from error
    _check_keys(found, ("search", "parameters"), "the file")
    search = found.get("search", {})
    _check_keys(search, tuple(DEFAULT_SEARCH), "[search]")
    search = {**DEFAULT_SEARCH, **search}
    for kind in ("sampler", "pruner"):
        if not isinstance(search[kind], dict) or not isinstance(search[kind].get("name"), str):
            default = DEFAULT_SEARCH[kind]["name"]
            raise UserError(f'[search.{kind}] needs a name, such as "{default}".')
    if not isinstance(search["seed"], int):
        raise UserError(f"[search] seed is {search['seed']!r}, but it must be a whole number.")
    sections = found.get("parameters", {})
    if not sections:
        raise UserError("there are no parameters: each needs a section [parameters.NAME].")
    parameters = {name: _parameter(name, section) for name, section in sections.items()}
    space = Space(_sorted(parameters), search["seed"], search["sampler"], search["pruner"])
    _check_paths(space)
    return space


def _check_keys(section: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(section, dict):
        raise UserError(f"{where} is {section!r}, but it must be a section.")
    for key in section:
        if key not in known:
            raise UserError(f"{where} has '{key}', which is none of {', '.join(known)}.")


def _parameter(name: str, section: Any) -> Parameter:
    where = f"[parameters.{name}]"
    _check_keys(section, KEYS, where)
    kind = section.get("type")
    if kind not in TYPES:
        raise UserError(f"{where} type is {kind!r}, but it must be one of {', '.join(TYPES)}.")
    paths = section.get("path")
    paths = [paths] if isinstance(paths, str) else paths
    if not paths or not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
        raise UserError(f'{where} needs a path, such as "training.dropout", or a list of them.')
    when = section.get("when", {})
    if not isinstance(when, dict):
        raise UserError(f"{where} when must be a section of parameters and their values.")
    conditions = {key: value if isinstance(value, list) else [value] for key, value in when.items()}
    choices: dict[Any, Any] = {}
    if kind == "categorical":
        choices = _choices(section, where)
    else:
        _check_range(section, kind, where)
    low, high = section.get("low"), section.get("high")
    if kind == "float":
        low, high = float(low), float(high)
    log = section.get("log", False)
    return Parameter(
        name, tuple(paths), kind, low, high, log, section.get("step"), choices, conditions
    )


def _choices(section: dict[str, Any], where: str) -> dict[Any, Any]:
    for key in ("low", "high", "log", "step"):
        if key in section:
            raise UserError(f"{where} has '{key}', but it is categorical: give it choices.")
    if ("blocks" in section) == ("choices" in section):
        raise UserError(f"{where} needs either choices, a list, or a section blocks.")
    if "blocks" in section:
        blocks = section["blocks"]
        if not isinstance(blocks, dict) or not all(isinstance(b, dict) for b in blocks.values()):
            raise UserError(f"{where} blocks must be a section with a section for each choice.")
        found = dict(blocks)
    else:
        given = section["choices"]
        if not isinstance(given, list):
            raise UserError(f"{where} choices is {given!r}, but it must be a list.")
        # Optuna keeps scalars only
        found = {v if isinstance(v, SCALARS) else json.dumps(v): v for v in given}
        if len(found) != len(given):
            raise UserError(f"{where} choices has a value twice: {given!r}.")
    if not found:
        raise UserError(f"{where} has no choices.")
    return found


def _check_range(section: dict[str, Any], kind: str, where: str) -> None:
    for key in ("choices", "blocks"):
        if key in section:
            raise UserError(f"{where} has {key}, but its type is {kind}: give it low and high.")
    log, step = section.get("log", False), section.get("step")
    numbers = {key: section.get(key) for key in ("low", "high")}
    if step is not None:
        numbers["step"] = step
    wanted = int if kind == "int" else (int, float)
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, wanted) or value - value != 0:
            raise UserError(
                f"{where} {key} is {value!r}, but it must be a number of the type {kind}."
            )
    low, high = section["low"], section["high"]
    if low > high:
        raise UserError(f"{where} is empty: low is {low}, and high is {high}.")
    if not isinstance(log, bool):
        raise UserError(f"{where} log is {log!r}, but it must be true or false.")
    if log and step is not None:
        raise UserError(f"{where} has both log and step: Optuna takes one of them.")
    if log and low <= 0:
        raise UserError(f"{where} low is {low}, but on a log scale it must be more than 0.")
    if step is not None and step <= 0:
        raise UserError(f"{where} step is {step}, but it must be more than 0.")
    if step is not None and abs((high - low) / step - round((high - low) / step)) > TOLERANCE:
        raise UserError(f"{where} high is {high}, which no number of steps of {step} leads to.")


def _sorted(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    """Those that others depend on first, else in the file's order."""
    for parameter in parameters.values():
        for name, values in parameter.when.items():
            where = f"[parameters.{parameter.name}.when]"
            if name not in parameters:
                raise UserError(f"{where} names '{name}', which is no parameter.")
            other = parameters[name]
            for value in values:
                if not _is_possible(other, value):
                    raise UserError(f"{where} {name} is {value!r}, a value that it never has.")
    done: dict[str, Parameter] = {}
    while len(done) < len(parameters):
        ready = [p for p in parameters.values() if p.name not in done and set(p.when) <= set(done)]
        if not ready:
            left = ", ".join(name for name in parameters if name not in done)
            raise UserError(f"the parameters {left} depend on one another in a circle.")
        done[ready[0].name] = ready[0]
    return done


def _is_possible(parameter: Parameter, value: Any) -> bool:
    if parameter.type == "categorical":
        return isinstance(value, SCALARS) and value in parameter.choices
    return parameter.chosen(value) is not NOT_THERE


def _check_paths(space: Space) -> None:
    """No path may be set by two parameters at once."""
    for first, second in _pairs(list(space.parameters.values())):
        shared = set(first.paths) & set(second.paths)
        apart = any(
            not set(values) & set(second.when[name])
            for name, values in first.when.items()
            if name in second.when
        )
        if shared and not apart:
            raise UserError(
                f"[parameters.{first.name}] and [parameters.{second.name}] both set "
                f"{sorted(shared)[0]}: give them different conditions, or leave one out."
            )


def _pairs(items: list[Parameter]) -> Iterator[tuple[Parameter, Parameter]]:
    for index, first in enumerate(items):
        for second in items[index + 1 :]:
            yield first, second
