"""Settings of layers that survive loading.

Thinc saves the attributes of a layer with its weights, and on loading silently replaces those of
the config with the saved ones: `spacy.load(path, config=...)` would have no effect.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import srsly
from thinc.api import Model, deserialize_attr, serialize_attr

_T = TypeVar("_T")


@dataclass(frozen=True)
class Configured(Generic[_T]):
    """A setting that weights don't depend on: the config's value counts, not the saved one."""

    value: _T


@dataclass(frozen=True)
class Trained(Generic[_T]):
    """A setting that weights depend on: loading weights with another value is an error."""

    value: _T


@serialize_attr.register(Configured)
@serialize_attr.register(Trained)
def _save(_: Any, setting: Any, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(setting.value)


@deserialize_attr.register(Configured)
def _keep(setting: Configured, saved: bytes, name: str, model: Model) -> Configured:
    return setting


@deserialize_attr.register(Trained)
def _check(setting: Trained, saved: bytes, name: str, model: Model) -> Trained:
    value = srsly.msgpack_loads(saved)
    if value != setting.value:
        raise ValueError(
            f"The weights are those of a '{model.name}' layer with {name} = {value}, but the "
            f"config has {name} = {setting.value}."
        )
    return setting
