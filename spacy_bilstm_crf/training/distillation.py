"""What a teacher says of a doc, and the loss of a student that learns it.

A doc that is to be learned from a teacher's distribution has a `Lesson` in its user data, so that
it can be in a batch with annotated docs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.backends import get_array_ops

from .. import tags
from ..batching import Distribution
from ..constraints import allowed_by_doc
from ..potentials import Potentials
from .losses import EntityRatio, Loss, annotation_loss, annotation_of, divergence

LESSON = "bilstm_crf_ner_lesson"  # key in the user data


class Teacher(NamedTuple):
    """What is the same for all docs of a teacher.

    Attributes:
        labels: Its labels, in the order of its tags.
        transitions: Its potentials' shared scores, float32 [tags, tags].
        start: The same, [tags].
        end: The same, [tags].
        temperature: What its scores and the student's are divided by in the loss.
    """

    labels: Sequence[str]
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    temperature: float


class Lesson(NamedTuple):
    """A teacher's distribution over the tag sequences of a doc.

    Attributes:
        teacher: What is the same for all docs.
        emissions: Score of each tag at each token, float32 [tokens, tags].
    """

    teacher: Teacher
    emissions: np.ndarray


def give_lesson(doc: Doc, lesson: Lesson) -> None:
    """Let a doc be learned from its lesson, instead of its entities."""
    cast(dict[Any, Any], doc.user_data)[LESSON] = lesson


def lesson_of(example: Example) -> Lesson | None:
    """The lesson of an example's reference, if it has one."""
    return cast(dict[Any, Any], example.reference.user_data).get(LESSON)


class _Part(NamedTuple):
    """Docs of a batch, by their places, whose loss is the same function."""

    places: list[int]
    n_docs: int  # that say something
    loss: Callable[[Potentials], Loss]


def loss_of(
    device: torch.device,
    examples: Sequence[Example],
    labels: Sequence[str],
    incorrect_spans_key: str | None,
    entity_ratio: EntityRatio | None,
) -> Callable[[Potentials], Loss]:
    """The loss of examples: that of their lesson where they have one, or of their annotation.

    It is the mean over the docs that say something. What is wrong with them shows here, before
    the model has run.

    Raises:
        ValueError: If the annotation or a lesson does not fit.
    """
    lessons = [lesson_of(example) for example in examples]
    annotated = [i for i, lesson in enumerate(lessons) if lesson is None]
    annotation = annotation_of([examples[i] for i in annotated], labels, incorrect_spans_key)
    of_annotation = partial(annotation_loss, device, annotation, entity_ratio)
    if len(annotated) == len(examples):
        return of_annotation
    parts = [_Part(annotated, annotation.n_annotated, of_annotation)]
    teachers = {id(lesson.teacher): lesson.teacher for lesson in lessons if lesson is not None}
    for key, teacher in teachers.items():
        taught = [(i, one) for i, one in enumerate(lessons) if one and id(one.teacher) == key]
        docs = [examples[i].predicted for i, _ in taught]
        of_lessons = _loss_of_lessons(device, teacher, [one for _, one in taught], docs, labels)
        parts.append(_Part([i for i, _ in taught], len(docs), of_lessons))
    return partial(_loss_of_parts, parts)


def _loss_of_parts(parts: Sequence[_Part], scores: Potentials) -> Loss:
    """The mean over the docs of all parts, and its gradient."""
    total, emissions = 0.0, list(scores.emissions)
    gradient = replace(scores, emissions=[]).scaled(0.0)
    n_docs = sum(part.n_docs for part in parts)
    for places, n_of_part, loss in parts:
        if places:
            found = loss(replace(scores, emissions=[scores.emissions[i] for i in places]))
            value, of_part = found[0], found[1].scaled(n_of_part / n_docs)
            total += value * n_of_part / n_docs
            gradient = gradient.plus(replace(of_part, emissions=[]))
            for place, doc in zip(places, of_part.emissions):
                emissions[place] = doc
    return total, replace(gradient, emissions=emissions)


def _loss_of_lessons(
    device: torch.device,
    teacher: Teacher,
    lessons: Sequence[Lesson],
    docs: Sequence[Doc],
    labels: Sequence[str],
) -> Callable[[Potentials], Loss]:
    """Divergence of the student's tag sequences from the teacher's, the mean over the docs.

    That is structure-level distillation (Wang et al. 2020) without its approximations, with the
    temperature, and its square as a factor, of Hinton et al. (2015). Labels that the teacher does
    not know come last among the student's, and are left free.
    """
    known = list(labels[: len(teacher.labels)])
    if known != list(teacher.labels):
        raise ValueError(
            f"The lessons are a teacher's with the labels {list(teacher.labels)}, but the first "
            f"labels of the student are {known}. Initialize it with the teacher's labels, in this "
            f"order: [initialize.components.NAME] labels."
        )
    for doc, lesson in zip(docs, lessons):
        if len(doc) != len(lesson.emissions):
            raise ValueError(
                f"The teacher made {len(lesson.emissions)} tokens of a doc of which the student "
                f"makes {len(doc)}: '{doc.text[:50]}'. Give both the same language and tokenizer."
            )
    allowed = [allowed_by_doc(doc, known, presets=False) for doc in docs]
    n_tags = tags.count_tags(len(known))
    temperature = teacher.temperature

    def loss(scores: Potentials) -> Loss:
        asarray = get_array_ops(scores.transitions).asarray
        parts = (teacher.transitions, teacher.start, teacher.end)
        emissions = [asarray(lesson.emissions) for lesson in lessons]
        tutor = Potentials(emissions, *(asarray(part) for part in parts))
        student = scores.first_tags(n_tags).scaled(1.0 / temperature)
        value, gradient = divergence(
            Distribution(student, allowed, device), tutor.scaled(1.0 / temperature)
        )
        gradient = gradient.padded(scores.n_tags)
        # The square of the temperature times the factor of the inner derivative
        return temperature**2 * value / len(docs), gradient.scaled(temperature / len(docs))

    return loss
