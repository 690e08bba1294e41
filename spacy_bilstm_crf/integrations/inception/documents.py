"""What was annotated in INCEpTION, on disk: a file for each user, with all that INCEpTION sent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...common.errors import UserError
from ..live_model.state import ANNOTATIONS, LAYER_KEY, PROJECT, LearningState
from .messages import LayerRequest

MOST_OF_FILE_NAME = 200


class DocumentStore(LearningState):
    """The annotated documents of one layer of one project.

    Args:
        folder: Where they are kept. It must exist.

    Attributes:
        layer: The project, the layer and the feature. None before they are known.
        n_changes: How often INCEpTION has sent something new.

    Raises:
        UserError: If a file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        project = self._read_project(LAYER_KEY, _check_project)
        users = self._read_annotations(_check_user)
        self._by_user = {one["user"]: one["documents"] for one in users}
        self.layer: LayerRequest | None = LayerRequest(**project) if project else None

    def documents(self) -> list[dict[str, Any]]:
        """Return the documents of all users. They are never changed, but replaced."""
        return [document for documents in self._by_user.values() for document in documents]

    def set_layer(self, layer: LayerRequest) -> None:
        """Note which project, layer and feature this is."""
        known = LayerRequest(layer.project, layer.layer, layer.feature)
        if self.layer is None:
            names = ("project", "layer", "feature")
            self._write(PROJECT, {name: getattr(known, name) for name in names})
            self.layer = known

    def replace(self, by_user: Mapping[str, list[dict[str, Any]]]) -> None:
        """Keep documents in place of all that are known of their users.

        Args:
            by_user: The documents of each user.

        Raises:
            UserError: If they can't be written.
        """
        paths = {user: _file_of(user) for user in by_user}
        changed = {
            user: documents
            for user, documents in by_user.items()
            if self._by_user.get(user) != documents
        }
        for user, documents in changed.items():
            self._write(paths[user], {"user": user, "documents": documents})
            self._by_user[user] = documents
        if changed:
            self._count()


def _file_of(user: str) -> str:
    name = quote(user, safe="")
    if len(name) > MOST_OF_FILE_NAME:
        raise UserError(f"userId: {user[:50]!r}... is too long for the name of a file.")
    return f"{ANNOTATIONS}/user-{name}.json"


def _check_user(value: dict[str, Any]) -> None:
    _ = value["user"] + "", [(one["text"] + "", one["entities"]) for one in value["documents"]]


def _check_project(value: dict[str, Any]) -> None:
    _ = value["project"] + 0, value["layer"] + value["feature"], LayerRequest(**value)
