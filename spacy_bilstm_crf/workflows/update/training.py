"""Train a component further until it finds what is new, and no longer."""

import random
from collections.abc import Callable, Iterator, Sequence

from spacy.training import Example
from thinc.api import Optimizer

from ...pipeline import BiLSTMCRFEntityRecognizer
from .scores import LabelGroups, Sample, UpdateScores

LEARN_RATE = 0.003  # of Adam
DROPOUT = 0.2
# Share of a step for what was trained before. Old data keep that in place, so it may move more.
# Without them the share grows until the new entities are found
LEAST_FACTOR, MOST_FACTOR, FACTOR_OF_STEP = 0.025, 0.1, 0.0002
NEW_DOCS, OLD_DOCS = 24, 48  # of a step
STEPS_BETWEEN_CHECKS = 5
PATIENCE = 8  # checks without a better score, once enough is found, with old data
# Enough of the new data's entities to be found: what comes after is learned by heart
ENOUGH = 0.95

Progress = Callable[[int, UpdateScores], None]


def resume_factor(step: int, has_old: bool) -> float:
    """Return the share of a step for what was trained before."""
    return MOST_FACTOR if has_old else min(LEAST_FACTOR + FACTOR_OF_STEP * step, MOST_FACTOR)


def train(
    ner: BiLSTMCRFEntityRecognizer,
    optimizer: Optimizer,
    labels: LabelGroups,
    examples: Sequence[Example],
    new: Sample,
    old: Sequence[Example],
    held_out: Sample,
    max_steps: int,
    on_check: Progress,
) -> int:
    """Train a component on new examples, with old ones mixed in.

    Without old examples, training ends when enough entities of the new ones are found. With them it
    goes on as long as the scores rise, and the weights of the best check are kept.

    Args:
        ner: The component, after `nlp.resume_training`.
        optimizer: The optimizer.
        labels: The labels.
        examples: The new examples, as `retaining_examples` makes them.
        new: The new examples to score.
        old: Old examples to mix in.
        held_out: Old examples to check what is forgotten.
        max_steps: Maximum number of steps.
        on_check: Called after each check with the number of steps and the scores.

    Returns:
        The number of steps that the component has learned from.
    """
    checked = new + held_out
    best, best_step, weights, is_found = -1.0, max_steps, None, False
    new_batches, old_batches = _batches(examples, NEW_DOCS), _batches(old, OLD_DOCS)
    for step in range(1, max_steps + 1):
        ner.resume_factor = resume_factor(step, bool(old))
        ner.update([*next(new_batches), *next(old_batches)], sgd=optimizer, drop=DROPOUT)
        if step % STEPS_BETWEEN_CHECKS and step < max_steps:
            continue
        scores = checked.scores(ner, labels)
        on_check(step, scores)
        is_found = is_found or (scores.found or 0.0) >= ENOUGH
        if not old:
            if is_found:
                return step
        elif _mean(scores) > best:
            best, best_step, weights = _mean(scores), step, ner.model.to_bytes()
        elif is_found and step >= best_step + PATIENCE * STEPS_BETWEEN_CHECKS:
            break
    if weights is not None:
        ner.model.from_bytes(weights)
    return best_step


def _mean(scores: UpdateScores) -> float:
    return ((scores.known or 0.0) + (scores.learned or 0.0)) / 2


def _batches(examples: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Yield batches for ever, each example once before any comes again."""
    left: list[Example] = []
    while True:
        batch, left = left[:size], left[size:]
        if len(batch) < min(size, len(examples)):
            left = random.sample(list(examples), len(examples))
            missing = size - len(batch)
            batch, left = [*batch, *left[:missing]], left[missing:]
        yield batch
