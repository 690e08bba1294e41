"""Callbacks for training configs."""

from collections.abc import Callable, Sequence

from spacy.language import Language

from .base import TrainableCRF


def AddLabels(labels: Sequence[str], component: str = "ner") -> Callable[[Language], Language]:
    """Add labels to a sourced component before it is trained further.

    A component with `source = ...` is not initialized, so that it keeps what it has learned. It
    gets its new labels here: in `[initialize.before_init]`.

    Args:
        labels: The labels. Those that the component has already are no error.
        component: Name of the component.

    Returns:
        A function that adds the labels to the component of a pipeline, and returns the pipeline.
    """

    def add_labels(nlp: Language) -> Language:
        pipe = nlp.get_pipe(component)
        if not isinstance(pipe, TrainableCRF):
            raise ValueError(
                f"AddLabels can't add labels to '{component}', which is a "
                f"{nlp.get_pipe_meta(component).factory}. Name a bilstm_crf_ner."
            )
        for label in labels:
            pipe.add_label(label)
        return nlp

    return add_labels
