"""Settings of layers and what becomes of them when saved weights are loaded.

Thinc saves a layer's attributes beside its weights, and puts the saved ones in the place of those
that the config asks for. That is silent: `spacy.load(path, config=...)` would change nothing.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import srsly
from thinc.api import Model, deserialize_attr, serialize_attr

T = TypeVar("T")


@dataclass(frozen=True)
class Configured(Generic[T]):
    """A setting that weights don't depend on. It is what the config says, whatever was saved."""

    value: T


@dataclass(frozen=True)
class Trained(Generic[T]):
    """A setting that weights were trained with. Weights of another are refused."""

    value: T


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
