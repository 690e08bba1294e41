"""The versions of a pipeline that were trained on annotations, on disk: VERSIONS/0001 and so on."""

import json
from pathlib import Path
from typing import NamedTuple

from ...common.errors import UserError, reported_damage
from ...common.files import reported_os_errors, write_whole
from ...common.pipelines import fingerprint, pipeline_folder

VERSIONS, FIRST_PIPELINE = "versions", "pipeline.json"


class PipelineVersion(NamedTuple):
    """A pipeline on disk.

    Attributes:
        number: 0 is the pipeline that annotation began with.
        folder: Where it is.
    """

    number: int
    folder: Path


def newest_version(folder: Path, pipeline: str | Path) -> PipelineVersion:
    """Return the newest version that was trained, or else the pipeline itself.

    Args:
        folder: The folder of the annotations, which has the versions.
        pipeline: The pipeline that annotation began with: its folder, or an installed package.

    Raises:
        UserError: If there is no such pipeline, or the versions are those of another one.
    """
    first = pipeline_folder(pipeline)
    with reported_os_errors(folder):
        numbers = [
            int(path.name) for path in (folder / VERSIONS).glob("[0-9]*") if path.name.isdigit()
        ]
        print_of = fingerprint(first)
        path = folder / FIRST_PIPELINE
        if not numbers:
            content = {"pipeline": str(pipeline), "fingerprint": print_of}
            write_whole(path, json.dumps(content, indent=1) + "\n")
            return PipelineVersion(0, first)
    with reported_damage(f"{path} is damaged: restore it from a copy"):
        known = json.loads(path.read_text(encoding="utf8"))
        is_same, name = known["fingerprint"] == print_of, known["pipeline"]
    if not is_same:
        raise UserError(
            f"The versions in {folder} began with another pipeline than {pipeline}: with {name}, "
            f"as it was then. Name that one, or another folder."
        )
    return PipelineVersion(max(numbers), version_folder(folder, max(numbers)))


def version_folder(folder: Path, number: int) -> Path:
    """Return where a version is, or will be."""
    return folder / VERSIONS / f"{number:04}"


def version_after(version: str, number: int) -> str:
    """Return the version of a pipeline's meta for a version that was trained: "1.0.0+3".

    Args:
        version: The version of the pipeline that it was trained from.
        number: Its number.
    """
    return f"{version.partition('+')[0]}+{number}"
