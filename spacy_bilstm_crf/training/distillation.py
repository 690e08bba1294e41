"""Knowledge distillation: soft labels of a teacher, and the loss of a student that learns them.

A doc with soft labels has them in its user data, so that it can be in a batch with annotated docs.
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
    """Return the loss of examples: by their soft labels if they have some, or their annotation.

    It is the mean over the docs that say something. Examples that can't be learned from are
    refused here, before the model has run.

    Raises:
        ValueError: If the annotation or soft labels do not fit.
    """
    soft = [soft_labels_of(example) for example in examples]
    annotated = [i for i, of_doc in enumerate(soft) if of_doc is None]
    annotation = annotation_of([examples[i] for i in annotated], labels, incorrect_spans_key)
    of_annotation = partial(annotation_loss, device, annotation, entity_ratio)
    if len(annotated) == len(examples):
        return of_annotation
    parts = [_Part(annotated, annotation.n_annotated, of_annotation)]
    teachers = {id(of_doc.teacher): of_doc.teacher for of_doc in soft if of_doc is not None}
    for key, teacher in teachers.items():
        taught = [(i, one) for i, one in enumerate(soft) if one and id(one.teacher) == key]
        docs = [examples[i].predicted for i, _ in taught]
        loss = distillation_loss(device, teacher, [one for _, one in taught], docs, labels)
        parts.append(_Part([i for i, _ in taught], len(docs), loss))
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


def distillation_loss(
    device: torch.device,
    teacher: Teacher,
    soft_labels: Sequence[SoftLabels],
    docs: Sequence[Doc],
    labels: Sequence[str],
) -> Callable[[Potentials], Loss]:
    """Return the divergence of the student's tag sequences from the teacher's, averaged over docs.

    This is structure-level distillation (Wang et al. 2020) without its approximations, with the
    temperature of Hinton et al. (2015) and its square as a factor. Labels that the teacher does
    not know come last among the student's and are left free.

    Args:
        device: Where the recursions run.
        teacher: The teacher.
        soft_labels: Its soft labels, of each doc.
        docs: The docs as the student tokenizes them.
        labels: The student's labels, in the order of its tags.

    Raises:
        ValueError: If the student's labels do not begin with the teacher's, or its tokens differ.
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
                f"The teacher made {len(of_doc.emissions)} tokens of a doc of which the student "
                f"makes {len(doc)}: '{doc.text[:50]}'. Give both the same language and tokenizer."
            )
    allowed = [allowed_by_doc(doc, known, presets=False) for doc in docs]
    n_tags = tags.count_tags(len(known))
    temperature = teacher.temperature

    def loss(scores: Potentials) -> Loss:
        asarray = get_array_ops(scores.transitions).asarray
        parts = (teacher.transitions, teacher.start, teacher.end)
        emissions = [asarray(of_doc.emissions) for of_doc in soft_labels]
        targets = Potentials(emissions, *(asarray(part) for part in parts))
        student = scores.first_tags(n_tags).scaled(1.0 / temperature)
        value, gradient = divergence(
            Distribution(student, allowed, device), targets.scaled(1.0 / temperature)
        )
        gradient = gradient.padded(scores.n_tags)
        # The square of the temperature times the factor of the inner derivative
        return temperature**2 * value / len(docs), gradient.scaled(temperature / len(docs))

    return loss
