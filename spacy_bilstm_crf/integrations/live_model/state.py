"""What was annotated and learned, on disk: the part that is the same for all tools."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...common.errors import UserError, reported_damage
from ...common.files import reported_os_errors, write_whole

PROJECT, STATE, ANNOTATIONS = "project.json", "state.json", "annotations"
COUNTS = ("n_changes", "n_trained", "n_versions")  # in STATE
# What PROJECT has for one tool alone, by which the folders of tools are told apart
LABEL_CONFIG_KEY, LAYER_KEY = "label_config", "layer"


class LearningState:
    """Counts what was annotated, and what was learned.

    Args:
        folder: Where it is kept. It must exist.

    Attributes:
        n_changes: How often what was annotated has changed.
        n_trained: What `n_changes` was when the last training began that came to an end.
        n_versions: The highest number that a version has had, so that none is given twice.

    Raises:
        UserError: If a file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with reported_os_errors(folder):
            (folder / ANNOTATIONS).mkdir(parents=True, exist_ok=True)
            state = self._read(STATE, _check_state)
        self.n_changes: int = state.get("n_changes", 0)
        self.n_trained: int = state.get("n_trained", 0)
        self.n_versions: int = state.get("n_versions", 0)

    @property
    def n_new(self) -> int:
        """How often an annotation was changed since the last training."""
        return self.n_changes - self.n_trained

    def set_trained(self, n_changes: int, version: int) -> None:
        """Note that a training has come to an end.

        Args:
            n_changes: What `n_changes` was when it began.
            version: The number of the version that is in use now.
        """
        self.n_trained = n_changes
        self.n_versions = max(self.n_versions, version)
        self._write_state()

    def _count(self) -> None:
        self.n_changes += 1
        self._write_state()

    def _write_state(self) -> None:
        self._write(STATE, {name: getattr(self, name) for name in COUNTS})

    def _read(self, name: str, check: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return what a file holds; nothing if it does not exist."""
        path = self._folder / name
        return loaded_json(path, check) if path.exists() else {}

    def _read_project(self, key: str, check: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return what is known of the project; nothing if there is none yet.

        Args:
            key: What only the projects of the tool have.
            check: Raises any exception if something is missing in it.

        Raises:
            UserError: If it can't be read, or is a project of another tool.
        """
        found = self._read(PROJECT, lambda value: value.keys())
        if key not in found and {LABEL_CONFIG_KEY, LAYER_KEY} & found.keys():
            raise UserError(
                f"{self._folder} belongs to a project of another annotation tool: name another "
                f"folder."
            )
        return self._read(PROJECT, check)

    def _read_annotations(self, check: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
        with reported_os_errors(self._folder):
            paths = sorted((self._folder / ANNOTATIONS).glob("*.json"))
            # Others are what a killed process was writing
            return [loaded_json(path, check) for path in paths if not path.name.startswith(".")]

    def _write(self, name: str, value: dict[str, Any]) -> None:
        with reported_os_errors(self._folder):
            content = json.dumps(value, ensure_ascii=False, indent=1)
            write_whole(self._folder / name, content + "\n")


def loaded_json(path: Path, check: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Read a file of JSON.

    Args:
        path: The file.
        check: Raises any exception if something is missing in it.

    Raises:
        UserError: If it is damaged.
    """
    with reported_damage(f"{path} is damaged: restore it from a copy, or delete it"):
        value = json.loads(path.read_text(encoding="utf8"))
        check(value)
        return value


def _check_state(value: dict[str, Any]) -> None:
    _ = sum(value[name] for name in COUNTS)


def is_id(value: Any) -> bool:
    """Tell whether a value is an id as annotation tools have them: a whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
