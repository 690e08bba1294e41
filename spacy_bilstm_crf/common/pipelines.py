"""Pipelines on disk: loading them, what they need to be loaded, and telling them apart."""

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .config_names import config_text
from .errors import UserError, one_line
from .files import save_folder

if TYPE_CHECKING:
    from spacy.language import Language

NO_PIPELINE = (
    "There is no pipeline {}: name the folder model-best of a training, or an installed package."
)


def load_pipeline(pipeline: "Language | str | Path") -> "Language":
    """Load a trained pipeline.

    Args:
        pipeline: Its folder, or the name of an installed package. A pipeline that is loaded already
            is returned unchanged.

    Raises:
        UserError: If there is none, or it can't be loaded.
    """
    from spacy import util
    from spacy.language import Language

    if isinstance(pipeline, Language):
        return pipeline
    try:
        return util.load_model(pipeline)
    except OSError as error:
        if error.errno is None:  # spaCy's E050, E052, E053
            raise UserError(NO_PIPELINE.format(pipeline)) from error
        reason = f"{error.filename or pipeline}: {error.strerror}"
        raise UserError(f"The pipeline {pipeline} can't be loaded: {reason}.") from error
    except Exception as error:  # code of a package may raise anything
        raise UserError(f"The pipeline {pipeline} can't be loaded: {one_line(error)}") from error


def save_pipeline(nlp: "Language", folder: Path) -> None:
    """Save a pipeline as `nlp.to_disk` does, but without doubling the dollar signs of its config.

    Args:
        nlp: The pipeline.
        folder: The folder.
    """
    nlp.to_disk(folder)
    (folder / "config.cfg").write_text(config_text(nlp.config), encoding="utf8")


def replace_pipeline(nlp: "Language", folder: str | Path) -> None:
    """Save a pipeline to a folder, in place of an existing one.

    Raises:
        UserError: If it can't be written. An existing folder is then unchanged.
    """
    save_folder(partial(save_pipeline, nlp), Path(folder))


def pipeline_name(pipeline: "Language | str | Path") -> str:
    """Return what messages call a pipeline: its path or name, or that of `nlp.meta` if loaded."""
    return str(pipeline) if isinstance(pipeline, str | Path) else str(pipeline.meta["name"])


def pipeline_folder(name: str | Path) -> Path:
    """Return the folder of a pipeline, which may be an installed package.

    Raises:
        UserError: If there is none.
    """
    from spacy import util

    if Path(name).is_dir():
        return Path(name)
    if not util.is_package(str(name)):
        raise UserError(NO_PIPELINE.format(name))
    return util.get_package_path(str(name))


def check_components(nlp: "Language", name: str) -> None:
    """Check that a pipeline has components.

    Args:
        nlp: The pipeline.
        name: What messages call it.

    Raises:
        UserError: If it has none.
    """
    if not nlp.pipe_names:
        raise UserError(f"{name} has no components, so it finds nothing.")


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 of all files of a pipeline, whatever its folder is called."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            sha.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        sha = hashlib.sha256()
        while block := file.read(1 << 20):
            sha.update(block)
        return sha.hexdigest()


def check_code(path: str | Path | None) -> None:
    """Check that the file of --code, if it is given, exists.

    Raises:
        UserError: If it does not.
    """
    if path is not None and not Path(path).is_file():
        raise UserError(f"--code {path}: there is no such file.")


def import_code(path: str | Path | None) -> None:
    """Run the file of --code, if it is given, for the functions that it registers.

    Raises:
        UserError: If it does not exist, or fails.
    """
    check_code(path)
    if path is None:
        return
    from spacy.util import import_file

    try:
        import_file("python_code", path)
    except Exception as error:  # the user's code may raise anything
        what = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"--code {path} can't be run: {what}") from error
