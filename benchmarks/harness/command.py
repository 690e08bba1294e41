"""The command line of a study: the options that several have, and how `main` is run."""

import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

ALL_SEEDS = [0, 1, 2]
ONE_SEED = [0]
NONE = "none"  # name of a training that begins with nothing

Seeds = Annotated[list[int], Option("--seed", help="Seed; repeat the option for several")]
Jobs = Annotated[int, Option(min=1, help="Number of trainings at a time")]
Steps = Annotated[int, Option(min=1, help="Steps of each training")]
Rounds = Annotated[int, Option(min=1, help="Number of rounds in which the systems take turns")]
Dataset = Annotated[str, Option(help="Data set: the name of its folder in corpus/")]
Vectors = Annotated[Path, Option(help="Folder of word vectors, from `spacy init vectors`")]
MaybeVectors = Annotated[
    Path | None, Option("--vectors", help="Folder of word vectors, from `spacy init vectors`")
]
Models = Annotated[Path | None, Option(help="Folder to keep the models in")]
Averaged = Annotated[bool, Option("--averaged", help="Also score the seeds as one model")]
Flair = Annotated[Path | None, Option(help="Python of an environment that has Flair")]
Begun = Annotated[list[str] | None, typer.Argument(metavar="[NAME=PATH]...")]
Pipeline = Annotated[Path, typer.Argument(help="Folder of a trained pipeline")]


def one_of(
    allowed: Collection[Any], what: str = "One of", kind: Callable[[str], Any] = str
) -> dict[str, Any]:
    """Return the settings of an option, or argument, that has one of some values.

    Args:
        allowed: The values.
        what: Begins its help, which lists the values.
        kind: Type of the values.
    """

    def parse(text: Any) -> Any:
        if kind(text) not in allowed:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(str, allowed))}.")
        return kind(text)

    return {"parser": parse, "help": f"{what}: {' | '.join(map(str, allowed))}"}


def ways_of(begun: Iterable[str] | None) -> dict[str, Path | None]:
    """Return what trainings begin with, by name: nothing, and each pre-trained file.

    Args:
        begun: NAME=PATH of each file.

    Raises:
        BadParameter: If one is not of this form.
    """
    ways: dict[str, Path | None] = {NONE: None}
    for way in begun or ():
        name, equals, path = way.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{way!r} is not NAME=PATH.")
        ways[name] = Path(path).resolve()
    return ways


def app_of(main: Callable[..., None]) -> typer.Typer:
    """Return the command of a study's `main`, with the options of its signature.

    Its module's docstring is what `--help` prints.
    """
    paragraphs = (sys.modules[main.__module__].__doc__ or "").split("\n\n")
    # \b keeps click from wrapping what is indented
    text = "\n\n".join("\b\n" * part.startswith((" ", "- ")) + part for part in paragraphs)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=text, epilog="BENCHMARK_RESULTS=FOLDER puts results there instead.")(main)
    return app


def run(main: Callable[..., None]) -> None:
    """Run a study's command."""
    app_of(main)()
