"""Load the pipeline that a command is given, and save what it makes, or say in one line why not."""

import ctypes
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Callable, Dict

from .app import InputError, check_folder

if TYPE_CHECKING:
    from spacy.language import Language

    from ..pipeline import BiLSTMCRFEntityRecognizer


def load_pipeline(name: str) -> "Language":
    """A trained pipeline.

    Args:
        name: Its folder, or the name of an installed package.

    Raises:
        InputError: If there is none, or it can't be loaded.
    """
    from spacy import util

    from ..pipeline.failures import one_line

    try:
        return util.load_model(name)
    except OSError as error:  # spaCy's E050, E053
        raise InputError(
            f"There is no pipeline {name}: name the folder model-best of a training."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"The pipeline {name} can't be loaded: {one_line(error)}") from error


def recognizer_of(nlp: "Language", name: str, component: str) -> "BiLSTMCRFEntityRecognizer":
    """The component of a pipeline that knows probabilities.

    Args:
        nlp: The pipeline.
        name: How the command was given it.
        component: The component's name.

    Raises:
        InputError: If it is not there, or of another factory.
    """
    from ..pipeline import BiLSTMCRFEntityRecognizer

    pipe = nlp.get_pipe(component) if component in nlp.pipe_names else None
    if not isinstance(pipe, BiLSTMCRFEntityRecognizer):
        factories = [f"{pipe} ({nlp.get_pipe_meta(pipe).factory})" for pipe in nlp.pipe_names]
        raise InputError(
            f"{name} has no bilstm_crf_ner component '{component}', and others know no "
            f"probabilities. It has: {', '.join(factories) or 'nothing'}. Name one with --component"
        )
    return pipe


def untrained_pipeline(config: Path, overrides: Dict[str, Any], component: str) -> "Language":
    """The untrained pipeline of a training config.

    Args:
        config: The config.
        overrides: Settings of it to replace.
        component: The component that is to be trained.

    Raises:
        InputError: If there is no such config or component, or the config can't be used.
    """
    from spacy.schemas import ConfigSchemaTraining
    from spacy.util import load_config, load_model_from_config, registry

    from ..pipeline.failures import one_line

    if not config.is_file():
        raise InputError(
            f"There is no file {config}. Write a config with: "
            f"python -m spacy bilstm-crf init-config {config} --train train.spacy"
        )
    try:
        loaded = load_config(config, overrides={**overrides, "paths.train": "", "paths.dev": ""})
        nlp = load_model_from_config(loaded, auto_fill=True)
        registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    except ValueError as error:
        raise InputError(f"The config {config} can't be used: {one_line(error)}") from error
    if component not in nlp.pipe_names:
        raise InputError(
            f"The pipeline of {config} has no component '{component}', but "
            f"{', '.join(nlp.pipe_names) or 'none'}. Name the one that finds entities: --component"
        )
    return nlp


def check_replaces(output: Path, force: bool) -> None:
    """See to it that a pipeline can be saved to a folder, and that nothing else is lost by it.

    Args:
        output: The folder.
        force: Whether a pipeline that is there may be replaced.

    Raises:
        InputError: If it may not, or what is there is no pipeline.
    """
    check_folder(output, "name a folder for the pipeline")
    if not output.exists() or not any(output.iterdir()):
        return
    if not all((output / name).is_file() for name in ("config.cfg", "meta.json")):
        raise InputError(
            f"{output} holds something that is no pipeline, which is never replaced. Name another "
            f"folder."
        )
    if not force:
        raise InputError(f"{output} exists. Replace it with --force, or name another folder.")


def save(to_disk: Callable[[Path], None], output: Path) -> None:
    """Save beside the output, then rename: whatever happens, no pipeline is lost half-way.

    Args:
        to_disk: Saves to a folder that is not there yet.
        output: The folder, which takes the place of one that is there.

    Raises:
        InputError: If there is no room, say. What was there is unchanged then.
    """
    output = output.resolve()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
            new, old = Path(temporary) / "new", Path(temporary) / "old"
            to_disk(new)
            if not output.exists():
                new.rename(output)
            elif not _exchange(new, output):
                output.rename(old)
                new.rename(output)
    except OSError as error:
        raise InputError(
            f"Can't save to {output}: {error.strerror or error}. What was there is unchanged. Make "
            f"room there, or name another folder with --output."
        ) from error


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, so that a kill can't come between. Linux alone can.

    Returns:
        Whether they are exchanged.
    """
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # not in every C library
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    paths = os.fsencode(one), os.fsencode(other)
    return renameat2 is not None and not renameat2(here, paths[0], here, paths[1], exchange)
