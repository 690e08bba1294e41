"""Serving a pipeline as a live model of an annotation tool."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...common.errors import UserError, check_at_least
from ...common.files import check_folder, locked, reported_os_errors
from ...workflows.serve import serve
from .settings import LearningSettings, Tool
from .versions import PipelineVersion, newest_version

if TYPE_CHECKING:
    from ...inference.service import Extension


def serve_live_model(
    tool: Tool,
    pipeline: str | Path,
    folder: str | Path,
    settings: LearningSettings,
    extension_of: "Callable[[Path, PipelineVersion], Extension]",
    service: dict[str, Any],
) -> None:
    """Serve the newest version of a pipeline with the routes of an annotation tool.

    Args:
        tool: The tool.
        pipeline: A folder or the name of an installed package: the first version.
        folder: Where annotations and versions are kept.
        settings: How to learn.
        extension_of: Returns what adds the routes, for that folder and the version to serve.
        service: Further arguments of `workflows.serve`.

    Raises:
        UserError: If the pipeline can't be served or trained, data can't be read or are not
            annotated, or the folder belongs to another service or pipeline.
    """
    check_at_least(0, train_after=settings.train_after)
    check_at_least(1, max_steps=settings.max_steps)
    if service.get("workers", 1) != 1:
        raise UserError(
            f"Annotations and versions for {tool.name} are kept by one process: set workers to 1."
        )
    if settings.train_after and settings.old_data is None and settings.dev is None:
        raise UserError(
            f"A pipeline that learns from a few {tool.item}s alone forgets: name data that it was "
            f"trained on with --old-data, or data to check each version by with --dev. "
            f"--train-after 0 only predicts."
        )
    folder = Path(folder).resolve()
    check_folder(folder, "name a folder for the annotations")
    with reported_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    version = newest_version(folder, pipeline)
    with locked(folder):
        serve(version.folder, **service, extension=extension_of(folder, version))


def absolute(path: str | Path | None) -> str | None:
    """Return a path as it is from every folder; None as it is."""
    return None if path is None else str(Path(path).resolve())
