"""Knowledge distillation: soft labels of a teacher, and the loss of a student that learns them.

A doc with soft labels has them in its user data, so that it can be in a batch with annotated docs.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example
from thinc.backends import get_array_ops

from .. import tags
from ..batching import Distribution
from ..constraints import allowed_by_doc
from ..potentials import Potentials
from .objectives import Loss, summed_divergence

SOFT_LABELS = "bilstm_crf_ner_soft_labels"  # key in the user data


class Teacher(NamedTuple):
    """The part of a teacher's soft labels that all docs share.

    Attributes:
        labels: Its labels, in the order of its tags.
        transitions: Score of each step from tag to tag, float32 [tags, tags].
        start: Score of each tag at the start of a doc, float32 [tags].
        end: Score of each tag at the end of a doc, float32 [tags].
        temperature: What its scores and the student's are divided by in the loss. Above 1 it
            softens the targets.
    """

    labels: Sequence[str]
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    temperature: float


class SoftLabels(NamedTuple):
    """A teacher's distribution over the tag sequences of a doc.

    Attributes:
        teacher: What all docs of the teacher share.
        emissions: Score of each tag at each token, float32 [tokens, tags].
    """

    teacher: Teacher
    emissions: np.ndarray


def set_soft_labels(doc: Doc, soft_labels: SoftLabels) -> None:
    """Train on soft labels of a doc instead of its entities."""
    cast(dict[Any, Any], doc.user_data)[SOFT_LABELS] = soft_labels


def soft_labels_of(example: Example) -> SoftLabels | None:
    """Return the soft labels of an example's reference, if it has some."""
    return cast(dict[Any, Any], example.reference.user_data).get(SOFT_LABELS)


def teacher_loss(
    teacher: Potentials,
    docs: Sequence[Doc],
    labels: Sequence[str],
    scores: Potentials,
    temperature: float = 1.0,
) -> Loss:
    """Compute the divergence of the student's tag sequences from the teacher's, per doc.

    Structure-level distillation (Wang et al. 2020) without its approximations, with the temperature
    and the factor of its square of Hinton et al. (2015).

    Args:
        teacher: The teacher's potentials.
        docs: The docs.
        labels: Labels of the student, those of the teacher first. Labels that the teacher does not
            know are left free.
        scores: The student's potentials.
        temperature: Divides the scores of both. Above 1 it softens the teacher's distribution.

    Returns:
        The mean divergence over the docs in nats, and its gradient.
    """
    known = labels[: tags.count_labels(teacher.n_tags)]
    allowed = [allowed_by_doc(doc, known, presets=False) for doc in docs]
    student = scores.first_tags(teacher.n_tags).scaled(1.0 / temperature)
    value, gradient = summed_divergence(
        Distribution(student, allowed), teacher.scaled(1.0 / temperature)
    )
    # The square of the temperature times the factor of the inner derivative
    gradient = gradient.padded(scores.n_tags).scaled(temperature / len(docs))
    return temperature**2 * value / len(docs), gradient


def distillation_loss(
    teacher: Teacher,
    soft_labels: Sequence[SoftLabels],
    docs: Sequence[Doc],
    labels: Sequence[str],
) -> Callable[[Potentials], Loss]:
    """Check that soft labels fit the student, and return their loss function.

    Args:
        teacher: The teacher of all these soft labels.
        soft_labels: Those of each doc.
        docs: The student's docs.
        labels: Labels of the student.

    Returns:
        A function from the docs' potentials to the mean `teacher_loss` and its gradient.

    Raises:
        ValueError: If the student has other labels or other tokens than the teacher.
    """
    known = list(labels[: len(teacher.labels)])
    if known != list(teacher.labels):
        raise ValueError(
            f"The teacher of the soft labels has the labels {list(teacher.labels)}, but the first "
            f"labels of the student are {known}. Initialize it with the teacher's labels, in this "
            f"order: [initialize.components.NAME] labels."
        )
    for doc, of_doc in zip(docs, soft_labels):
        if len(doc) != len(of_doc.emissions):
            raise ValueError(
                f"The teacher splits a doc into {len(of_doc.emissions)} tokens and the student "
                f"into {len(doc)}: '{doc.text[:50]}'. Give both the same language and tokenizer."
            )

    def loss(scores: Potentials) -> Loss:
        asarray = get_array_ops(scores.transitions).asarray
        of_teacher = Potentials(
            emissions=[asarray(of_doc.emissions) for of_doc in soft_labels],
            transitions=asarray(teacher.transitions),
            start=asarray(teacher.start),
            end=asarray(teacher.end),
        )
        return teacher_loss(of_teacher, docs, known, scores, teacher.temperature)

    return loss
