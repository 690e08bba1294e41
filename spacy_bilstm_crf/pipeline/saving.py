"""Saves and loads components: checksums of the files, and errors that say what may help."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import srsly

from ..common.config_names import unchanged_settings
from ..common.errors import is_out_of_memory

# The file in a component's folder with the checksums of its other files
CHECKSUMS = "checksums"
SAVED_FILES = ("cfg", "model")
SETTINGS_FILE = "settings.json"

_Self = TypeVar("_Self", bound="SavedSettings")


class SavedSettings:
    """Saves a component's settings, for the sake of those that a saved config changes."""

    def _given(self) -> dict[str, Any]:
        """Return the settings that the component was given, as JSON has them."""
        raise NotImplementedError

    def _configure(self, settings: dict[str, Any]) -> None:
        """Replace the settings that the component was given."""
        raise NotImplementedError

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component to a bytestring.

        Args:
            exclude: Has no effect; spaCy passes it.
        """
        return bytes(srsly.msgpack_dumps(self._given()))

    def from_bytes(self: _Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> _Self:
        """Load the component from a bytestring.

        Args:
            bytes_data: What `to_bytes` returned.
            exclude: Has no effect; spaCy passes it.

        Returns:
            The component.
        """
        self._restore(srsly.msgpack_loads(bytes_data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a folder.

        Args:
            path: The folder.
            exclude: Has no effect; spaCy passes it.
        """
        Path(path).mkdir(parents=True, exist_ok=True)
        srsly.write_json(Path(path) / SETTINGS_FILE, self._given())

    def from_disk(self: _Self, path: str | Path, *, exclude: Iterable[str] = ()) -> _Self:
        """Load the component from a folder, which earlier versions did not write.

        Args:
            path: The folder.
            exclude: Has no effect; spaCy passes it.

        Returns:
            The component.
        """
        file = Path(path) / SETTINGS_FILE
        if file.exists():
            self._restore(srsly.read_json(file))
        return self

    def _restore(self, saved: dict[str, Any]) -> None:
        given = self._given()
        restored = unchanged_settings(given, saved)
        if restored != given:
            self._configure(restored)


@contextmanager
def explained_errors(source: str) -> Iterator[None]:
    """Explain errors in loading a component: where it is loaded from and what may help.

    Args:
        source: What the component is loaded from, for the message.

    Raises:
        ValueError: Whatever error is raised within, unless memory ran out.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise  # says nothing about the files
        raise ValueError(
            f"Can't load the component from {source}: {error!r}. If files are missing or cut "
            f"short, copy or unpack the pipeline again; if the config (such as levels) or the "
            f"labels were changed since it was saved, restore them."
        ) from error


def write_checksums(folder: str | Path) -> None:
    """Write the checksums of a component's files next to them.

    A flipped bit in the weights, a changed label or a file of another model would otherwise change
    the entities without an error.
    """
    files = [Path(folder) / name for name in SAVED_FILES]
    checksums = {path.name: _checksum(path) for path in files if path.exists()}
    srsly.write_json(Path(folder) / CHECKSUMS, checksums)


def check_checksums(folder: str | Path, exclude: Iterable[str]) -> None:
    """Compare a component's files with their checksums, if it was saved with any.

    Args:
        folder: The component's folder.
        exclude: Names of files that are not loaded.

    Raises:
        ValueError: If a file is not the one that was saved.
    """
    path = Path(folder) / CHECKSUMS
    saved = srsly.read_json(path) if path.exists() else {}
    for name in set(SAVED_FILES).intersection(saved).difference(exclude):
        if saved[name] != _checksum(path.with_name(name)):
            raise ValueError(
                f"The file {path.with_name(name)} is not the one that was saved: its checksum in "
                f"the file {CHECKSUMS} beside it is wrong. If you changed it on purpose, remove "
                f"that file"
            )


def _checksum(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "cfg":  # text: other line endings are no damage
        content = srsly.json_dumps(srsly.read_json(path), sort_keys=True).encode("utf8")
    return sha256(content).hexdigest()
