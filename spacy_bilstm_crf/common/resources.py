"""Files that come with the package, by name: configs, the search space of `tune`, word vectors."""

from pathlib import Path

from .errors import check_choice

PACKAGE = Path(__file__).parent.parent
SEARCH_SPACE = "tuning"
# Of the vectors, which are one file of words and numbers each
VECTORS = {"glove": "glove-6b-100d-20k.txt.gz"}


def shipped_folder(path: str) -> Path:
    """Return a folder of the repository that the wheel has too.

    Args:
        path: The folder in the repository, such as `configs`.
    """
    in_wheel = PACKAGE / "resources" / path  # setup.py puts it there
    return in_wheel if in_wheel.is_dir() else PACKAGE.parent / path


def shipped_configs() -> dict[str, Path]:
    """Return the configs that come with the package, and the search space, by name."""
    return {path.stem: path for path in sorted(shipped_folder("configs").glob("*.cfg"))}


def shipped_config(name: str) -> Path:
    """Return the file of a config that comes with the package.

    Args:
        name: Name of the config, such as `glove_char_cnn`.

    Raises:
        UserError: If there is no such config. Names those that there are.
    """
    configs = shipped_configs()
    check_choice("The name of a config", name, configs)
    return configs[name]


def shipped_vectors(name: str) -> Path:
    """Return the file of word vectors that come with the package.

    Args:
        name: A key of `VECTORS`.
    """
    return shipped_folder("assets/vectors") / VECTORS[name]
