"""Checks of labels, examples and scores, with errors that say what to do."""

from collections.abc import Iterable

from spacy.errors import Errors
from spacy.training import Example, validate_examples
from thinc.api import get_array_module

from ..potentials import Potentials


def check_label(label: str) -> None:
    """Check that a value can be an entity label.

    Raises:
        ValueError: If it is not a string (spaCy's E187), is empty, or starts with the "!" that
            used to mark negated labels (E869).
    """
    if not isinstance(label, str):
        raise ValueError(f"{Errors.E187} Not a string: {label!r}.")
    if not label.strip():
        raise ValueError(f"Can't add the label {label!r}: an entity label can't be empty.")
    if label.startswith("!"):
        raise ValueError(Errors.E869.format(label=label))


def checked_examples(examples: Iterable[Example], method: str) -> list[Example]:
    """Return the examples of a batch as a list, after checking that they are examples.

    Args:
        examples: The batch.
        method: The method that was called with them, for the message.

    Raises:
        TypeError: If they are anything else (spaCy's E978).
    """
    examples = list(examples)  # a generator can be read once, and validation reads it
    validate_examples(examples, method)
    return examples


def check_finite(potentials: Potentials, component: str) -> None:
    """Check that scores are finite, before NaN reaches the CRF and hides its cause.

    Args:
        potentials: What the model predicted.
        component: Name of the component, for the message.

    Raises:
        ValueError: If a score is NaN, infinite, or so large that its square is infinite: beside
            such a score the fill value of impossible tags would not be impossible.
    """
    xp = get_array_module(potentials.transitions)
    shared = [potentials.transitions, potentials.start, potentials.end]
    # A sum of squares is finite only if every term is
    squares = sum(xp.vdot(scores, scores) for scores in [*potentials.emissions, *shared])
    if not xp.isfinite(squares):
        raise ValueError(
            f"The scores of the component '{component}' are NaN, infinite or beyond 1e19. If this "
            f"is in training, lower the optimizer's learn_rate or its grad_clip, and look for NaN "
            f"in the word vectors; a model saved in this state has to be trained again."
        )
