"""How a model for Label Studio predicts and learns."""

from typing import NamedTuple


class BackendSettings(NamedTuple):
    """How a model for Label Studio predicts and learns.

    Attributes:
        train_after: Changes of annotations that start a training; 0 for none.
        candidates: The least probability of candidates; None shows none.
        candidates_control: Name of the `<Labels>` for candidates.
        unfinished: The choice that marks an annotation as not finished, if there is one.
        component: Name of the component to train.
        old_data: Annotated data (.spacy) to learn from as well.
        dev: Annotated data (.spacy) to choose the model by.
        max_steps: The most steps of a training; None for as many as the pipeline was trained with.
        threshold: In place of the components' own, if given.
        code: Python file with functions that the pipeline needs.
    """

    train_after: int = 20
    candidates: float | None = None
    candidates_control: str = "candidates"
    unfinished: str | None = None
    component: str = "ner"
    old_data: str | None = None
    dev: str | None = None
    max_steps: int | None = None
    threshold: float | None = None
    code: str | None = None
