"""The one place that runs spaCy's training loop."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, registry
from thinc.api import Config

from ..common.errors import UserError
from .configs import checked_pipeline, refused

CALLBACK_LOGGER = "spacy-bilstm-crf.callback_logger"
QUIET_LOGGER = {"@loggers": "spacy.ConsoleLogger.v3", "console_output": False}
Info = dict[str, Any]


def train_pipeline(
    config: Config,
    output: Path | None = None,
    *,
    use_gpu: int = -1,
    verbose: bool = True,
    on_evaluation: Callable[[Info], None] | None = None,
) -> Language:
    """Train the pipeline of a config, as `spacy train` does.

    Args:
        config: The complete config, with the paths of the data.
        output: Folder for `model-best` and `model-last`. None saves nothing.
        use_gpu: ID of the GPU, or -1 for the CPU.
        verbose: Whether to print what `spacy train` prints.
        on_evaluation: Replaces the config's logger: called after each evaluation with the
            information that spaCy passes to loggers, such as "score", "step" and "losses". It may
            raise an exception to end the training.

    Returns:
        The pipeline after its last step, with averaged weights if the optimizer keeps them.

    Raises:
        ValueError: Any that spaCy or a component raises.
    """
    config = config.copy()
    if on_evaluation is not None:
        registry.loggers.register(CALLBACK_LOGGER, func=lambda: _logger(on_evaluation))
        config["training"]["logger"] = {"@loggers": CALLBACK_LOGGER}
    elif not verbose:
        config["training"]["logger"] = QUIET_LOGGER
    try:
        nlp = init_nlp(config, use_gpu=use_gpu)
    except AssertionError as error:  # spaCy's E923, of its own components on data without tokens
        raise ValueError(str(error)) from error
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    stdout, stderr = (sys.stdout, sys.stderr) if verbose else (io.StringIO(), io.StringIO())
    train(nlp, output, use_gpu=use_gpu, stdout=stdout, stderr=stderr)
    return nlp


def _logger(on_evaluation: Callable[[Info], None]) -> Callable:
    """Make a logger as spaCy's training takes it."""

    def log(info: Info | None) -> None:
        if info is not None:  # None after a step without evaluation
            on_evaluation(info)

    return lambda nlp, stdout, stderr: (log, lambda: None)


def best_model(output: Path) -> Path:
    """Return the folder of the best pipeline that a training saved in its output folder."""
    best = output / "model-best"
    return best if best.exists() else output / "model-last"


def untrained_pipeline(config: Path, overrides: dict[str, Any], component: str | None) -> Language:
    """Create the untrained pipeline of a training config, and check the config.

    Args:
        config: The config file.
        overrides: Settings to override, by dotted names.
        component: Name of the component to train; None if any will do.

    Raises:
        UserError: If there is no such config or component, or the config can't be used.
    """
    if not config.is_file():
        raise UserError(
            f"There is no file {config}. Write a config with: "
            f"python -m spacy bilstm-crf init-config {config} --train train.spacy"
        )
    with refused(f"The config {config} can't be used"):
        without_data = {**overrides, "paths.train": "", "paths.dev": ""}
        nlp = checked_pipeline(load_config(config, overrides=without_data))
    if component is not None and component not in nlp.pipe_names:
        raise UserError(
            f"The pipeline of {config} has no component '{component}'. It has: "
            f"{', '.join(nlp.pipe_names) or 'none'}. Name the one that finds entities with "
            f"--component."
        )
    return nlp
