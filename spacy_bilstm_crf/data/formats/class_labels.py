"""The names of integers in data sets of Hugging Face, from the files that have them.

Features of the type ClassLabel are integers. Their names are in the metadata of Parquet and Arrow
files, in `dataset_info.json`, in `dataset_infos.json` of older versions, or in the YAML at the
beginning of `README.md`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import srsly

from ...common.errors import UserError, reported_damage

INFO, INFOS, CARD = "dataset_info.json", "dataset_infos.json", "README.md"
SCHEMA_KEY = b"huggingface"  # the key in the metadata of a schema
FRONT_MATTER = re.compile(r"\ufeff?---\r?\n(.*?)\n---\s", re.DOTALL)
FOLDERS_TO_LOOK_IN = (
    3  # in which the files that describe data are looked for: `data/CONFIG/train.parquet`
)


def names_in_metadata(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str] | None:
    """Return the names of a column from the metadata of a schema; None if it has none."""
    try:
        return _names_of(json.loads((metadata or {})[SCHEMA_KEY])["info"]["features"], column)
    except (KeyError, TypeError, ValueError):  # the metadata of another program
        return None


def names_beside(path: Path, column: str) -> list[str] | None:
    """Return the names of a column from the files that describe a data set.

    Args:
        path: The file or folder of the data.
        column: The column.

    Returns:
        The names, from the nearest file that has some; None if there is none.

    Raises:
        UserError: If a file can't be read, or has several configurations with other names, none of
            which is named in the path.
    """
    folders = [path, *path.absolute().parents] if path.is_dir() else path.absolute().parents
    for folder in folders[:FOLDERS_TO_LOOK_IN]:
        for name in (INFO, INFOS, CARD):
            if (folder / name).is_file():
                found = dict(_configurations(folder / name, column))
                names = _chosen(folder / name, path, found)
                if names is not None:
                    return names
    return None


def _configurations(file: Path, column: str) -> Iterator[tuple[str, list[str]]]:
    """The names of a column in each configuration that has some."""
    with reported_damage(
        f"{file} can't be read for the names of {column}: give them with --labels"
    ):
        text = file.read_text(encoding="utf8")
        if file.name == CARD:
            front = FRONT_MATTER.match(text)
            value = srsly.yaml_loads(front[1]) if front else {}
            infos = value.get("dataset_info") or []
            infos = infos if isinstance(infos, list) else [infos]
        else:
            value = json.loads(text)
            infos = (
                [value]
                if file.name == INFO
                else [{**info, "config_name": name} for name, info in value.items()]
            )
        found = [
            (str(one.get("config_name")), _names_of(one.get("features"), column)) for one in infos
        ]
    for configuration, names in found:
        if names is not None:
            yield configuration, names


def _chosen(file: Path, path: Path, found: Mapping[str, list[str]]) -> list[str] | None:
    """The names of the configuration that a path is of."""
    of_path = {name: names for name, names in found.items() if name in path.absolute().parts}
    every = list((of_path or found).values())
    if any(names != every[0] for names in every):
        raise UserError(
            f"{file} has other names in each of {', '.join(found)}: give those of {path} with "
            f"--labels."
        )
    return every[0] if every else None


def _names_of(features: Any, column: str) -> list[str] | None:
    """The names of a column, in the features of JSON or in those of YAML."""
    if isinstance(features, list):  # of YAML
        features = {one.get("name"): one for one in features if isinstance(one, dict)}
    found = list(_class_labels(features.get(column))) if isinstance(features, dict) else []
    return found[0] if found and all(names == found[0] for names in found) else None


def _class_labels(feature: Any) -> Iterator[list[str]]:
    """The names of each ClassLabel in a feature."""
    inside: Iterable[Any] = ()
    if isinstance(feature, dict):
        names = feature.get("names")
        if isinstance(names, dict):  # YAML has them by their integers
            by_number = {int(number): name for number, name in names.items()}
            names = [by_number.get(number) for number in range(len(by_number))]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            yield names
        inside = feature.values()
    elif isinstance(feature, list):
        inside = feature
    for one in inside:
        if isinstance(one, dict | list):
            yield from _class_labels(one)


def feature_of(names: list[str]) -> dict[str, Any]:
    """Return the feature of a list of integers with names, as it is in the metadata of a schema."""
    return {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
