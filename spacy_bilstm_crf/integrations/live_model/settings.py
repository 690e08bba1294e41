"""What an annotation tool is called, and how a model of it learns."""

from dataclasses import dataclass
from typing import NamedTuple


class Tool(NamedTuple):
    """An annotation tool, as messages and files name it.

    Attributes:
        name: Its name.
        key: Key in `nlp.meta` of what a version was trained on.
        item: What is annotated there, one at a time: "task".
        again: What begins a training again that was killed, besides a restart: "with ...".
    """

    name: str
    key: str
    item: str
    again: str


@dataclass(frozen=True)
class LearningSettings:
    """How a model of an annotation tool learns.

    Attributes:
        train_after: Changes that start a training; 0 for none.
        component: Name of the component to train.
        old_data: Annotated data (.spacy) to learn from as well.
        dev: Annotated data (.spacy) to choose the model by.
        max_steps: The most steps of a training; None for as many as the pipeline was trained with.
        threshold: In place of the components' own, if given.
        code: Python file with functions that the pipeline needs.
    """

    train_after: int
    component: str = "ner"
    old_data: str | None = None
    dev: str | None = None
    max_steps: int | None = None
    threshold: float | None = None
    code: str | None = None
