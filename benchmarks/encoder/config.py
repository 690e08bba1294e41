"""Write a config to pre-train an encoder on raw text, with one of the objectives.

    python -m benchmarks.encoder.config out.cfg [--states FOLDER] [--words]

The encoder is that of configs/pretrained.cfg.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from thinc.api import Config

from benchmarks.encoder.accuracy import PRETRAINED
from benchmarks.harness import command

EPOCHS = 3


def main(
    out: Annotated[Path, typer.Argument(help="File to write")],
    states: Annotated[
        Path | None, typer.Option(help="Folder of states.py: predict a transformer's states")
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Predict the neighbouring words as well")
    ] = False,
    epochs: Annotated[int, typer.Option(help="How often to read the text")] = EPOCHS,
) -> None:
    """Write the config."""
    config = Config().from_disk(PRETRAINED, interpolate=False)
    config["pretraining"]["max_epochs"] = epochs
    if states is not None:
        objective: dict[str, Any] = {
            "@architectures": "benchmarks.TeacherStates.v1",
            "folder": str(states.absolute()),
            "with_words": words,
        }
        config["pretraining"]["objective"] = objective
    config.to_disk(out)


if __name__ == "__main__":
    command.run(main)
