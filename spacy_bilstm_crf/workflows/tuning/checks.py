"""Check a search space against the config, before anything starts."""

from itertools import accumulate
from typing import Any

from thinc.api import Config

from ...common.errors import UserError
from ...training.configs import filled_config, refused
from .space import NOT_THERE, Params, Space, is_part, value_at


def check_space(space: Space, config: Config) -> None:
    """Check that each path is in the config, and that the config takes each extreme value.

    Raises:
        UserError: Names the path, or the parameter and its value.
    """
    for name, parameter in space.parameters.items():
        for chosen in parameter.extremes():
            params = _params_with(space, name, chosen)
            changed = _applied(space, config, params, name)
            with refused(f"[parameters.{name}] can't be {chosen!r}: the config refuses that"):
                accepted = filled_config(changed)
            for path in parameter.path:
                if not is_part(parameter.to_config(chosen), value_at(accepted, path)):
                    raise UserError(
                        f"[parameters.{name}] has the path {path}, but the config takes no value "
                        f"there."
                    )


def _params_with(space: Space, name: str, chosen: Any) -> dict[str, Any]:
    """A parameter's value, and the first values that allow it of those it depends on."""
    params = {name: chosen}
    for other in reversed(space.parameters):
        if other in params:
            for condition, values in space.parameters[other].when.items():
                params.setdefault(condition, values[0])
    if not all(space.parameters[each].is_active(params) for each in params):
        raise UserError(
            f"[parameters.{name}.when] can't be met: it asks for {params}, which the conditions of "
            f"these parameters rule out."
        )
    return params


def _applied(space: Space, config: Config, params: Params, name: str) -> Config:
    """The config with those parameters, of which the named one must have a path there."""
    # What the parameters set that it depends on may bring its path
    before = {other: value for other, value in params.items() if other != name}
    if before:
        with refused(f"[parameters.{name}] can't be checked: the config refuses {before}"):
            config = filled_config(space.applied(config, before))
    for path in space.parameters[name].path:
        if value_at(config, path) is NOT_THERE:
            raise UserError(
                f"[parameters.{name}] has the path {path}, which is not in the config"
                f"{_reference(config, path)}."
            )
    return space.applied(config, {name: params[name]})


def _reference(config: Config, path: str) -> str:
    """Why a path may be missing: a section above it that is a reference to another one."""
    for above in accumulate(path.split("."), "{}.{}".format):
        value = value_at(config, above)
        if isinstance(value, str) and value.startswith("${"):
            return f": {above} is {value}, so use the path there"
    return ""
