"""The function behind `update`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from ...common.errors import UserError, check_at_least
from ...common.pipelines import load_pipeline, pipeline_name, replace_pipeline
from ...data.corpus import Data, misaligned_warning, read_annotated
from ...inference.recognizers import recognizer_of
from ..risk_control import forget_control
from . import training
from .biases import lowest_biases, sample_of
from .examples import examples_of, label_groups, with_other_words
from .scores import LabelGroups, Sample, UpdateScores

MAX_STEPS = 400
HELD_OUT = 10  # one of so many old docs
MOST_HELD_OUT = 200
NEW_DATA, OLD_DATA, DEV_DATA = "new data", "held-out old data", "dev data"


class Updated(NamedTuple):
    """A pipeline that was taught more.

    Attributes:
        nlp: The pipeline.
        added: Labels that it did not have before.
        completed: Labels that the new data lack: what the pipeline found of them before was taken
            as annotation.
        n_steps: Number of training steps.
        scores: Scores before and after, by the name of the data.
        warnings: What could not be protected or learned, in sentences.
    """

    nlp: Language
    added: list[str]
    completed: list[str]
    n_steps: int
    scores: dict[str, tuple[UpdateScores, UpdateScores]]
    warnings: list[str]

    def to_disk(self, folder: str | Path) -> None:
        """Save the pipeline to a folder, replacing an existing one.

        Raises:
            UserError: If it can't be written. An existing folder is then unchanged.
        """
        replace_pipeline(self.nlp, folder)


def update(
    pipeline: Language | str | Path,
    data: Data,
    *,
    old_data: Data | None = None,
    dev: Data | None = None,
    component: str = "ner",
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> Updated:
    """Train a pipeline further on new data, and keep what it has learned.

    Labels that only the new data have are added. Labels that only the pipeline has are taken as not
    annotated in the new data, and completed by what the pipeline finds of them
    (`complete_annotation`). Training takes small steps for what was trained before
    (`resume_factor`) and mixes in old data if there are some. It ends as soon as the entities of
    the new data are found. Added labels then get the lowest bias with which they still are.

    Args:
        pipeline: The pipeline, its folder, or the name of an installed package. A loaded pipeline
            is changed.
        data: Annotated docs to learn from, or the path of a `.spacy` file or of a folder of them.
        old_data: Annotated docs that the pipeline was trained on, or their path. Every tenth is
            held out, to check what is forgotten. Where they lack an added label, its absence is
            learned.
        dev: Annotated docs to score the pipeline on before and after, or their path.
        component: Name of the component.
        max_steps: Maximum number of training steps.
        seed: Seed of the random numbers.
        on_progress: Called with a line for each check of the training.

    Returns:
        The pipeline, and its scores before and after.

    Raises:
        UserError: If there is no such pipeline, component or data, or the old data have labels that
            neither the pipeline nor the new data have.
    """
    check_at_least(1, max_steps=max_steps)
    nlp, name = load_pipeline(pipeline), pipeline_name(pipeline)
    ner = recognizer_of(nlp, name, component)
    docs = read_annotated(data, nlp.vocab)
    labels = label_groups(ner, docs)
    old, held_out = _old_examples(nlp, old_data, component, {*labels.known, *labels.learned})
    fix_random_seed(seed)
    examples = examples_of(nlp, docs, ner, labels, changed=not old)
    misaligned = misaligned_warning(examples[: len(docs)])
    new = Sample(examples[: len(docs)])
    samples = {NEW_DATA: new, OLD_DATA: held_out, DEV_DATA: _read_sample(nlp, dev, component)}
    before = {name: sample.scores(ner, labels) for name, sample in samples.items()}
    for label in labels.added:
        ner.add_label(label)
    with nlp.select_pipes(enable=component):
        optimizer = nlp.resume_training(sgd=Adam(training.LEARN_RATE))

    def on_check(step: int, scores: UpdateScores) -> None:
        if on_progress is not None:
            on_progress(_check_line(step, scores))

    factor = ner.resume_factor
    try:
        n_steps = training.train(
            ner, optimizer, labels, examples, new, old, held_out, max_steps, on_check
        )
    finally:
        ner.resume_factor = factor
    without = held_out if old else sample_of(nlp, with_other_words(docs, labels.added), component)
    lowest_biases(ner, labels, new, without)
    after = {name: sample.scores(ner, labels) for name, sample in samples.items()}
    scores_of_new = before[NEW_DATA], after[NEW_DATA]
    return Updated(
        nlp,
        labels.added,
        [label for label in labels.known if label not in labels.learned],
        n_steps,
        {name: (before[name], after[name]) for name, sample in samples.items() if sample.examples},
        _warnings(labels, bool(old), misaligned, scores_of_new, forget_control(nlp, component)),
    )


def _read_sample(nlp: Language, data: Data | None, component: str) -> Sample:
    if data is None:
        return Sample([])
    return sample_of(nlp, read_annotated(data, nlp.vocab), component)


def _old_examples(
    nlp: Language, data: Data | None, component: str, labels: set[str]
) -> tuple[list[Example], Sample]:
    """Return the old examples to train on, and those that are held out."""
    examples = _read_sample(nlp, data, component).examples
    unknown = {ent.label_ for eg in examples for ent in eg.reference.ents} - labels
    if unknown:
        raise UserError(
            f"The old data have labels that neither the pipeline nor the new data have: "
            f"{', '.join(sorted(unknown))}. Take them out, or add such texts to the new data."
        )
    held_out = examples[::HELD_OUT][:MOST_HELD_OUT] if len(examples) >= HELD_OUT else []
    chosen = {id(example) for example in held_out}
    return [example for example in examples if id(example) not in chosen], Sample(held_out)


def _check_line(step: int, scores: UpdateScores) -> str:
    shares = {
        "F of known labels": scores.known,
        "of learned labels": scores.learned,
        "found": scores.found,
    }
    named = [f"{name} {100 * value:.1f}" for name, value in shares.items() if value is not None]
    return f"step {step}: {', '.join(named)}"


def _warnings(
    labels: LabelGroups,
    has_old: bool,
    misaligned: str | None,
    scores_of_new: tuple[UpdateScores, UpdateScores],
    had_control: bool,
) -> list[str]:
    before, of_new = scores_of_new
    found = [] if misaligned is None else [misaligned]
    if before.learned == 1.0:
        found.append("All entities of the new data were found before: there was nothing to learn.")
    if had_control:
        found.append(
            "The recall that candidates_threshold was set for no longer holds, since the "
            "probabilities have changed: run calibrate --recall on the result."
        )
    if of_new.found is not None and of_new.found < training.ENOUGH:
        found.append(
            f"Only {of_new.found:.0%} of the new data's entities are found. More steps (max_steps) "
            f"may find more."
        )
    if not has_old:
        texts = f" without {', '.join(labels.added)}" if labels.added else ""
        found.append(
            f"Without old data, what was known can't be checked, and is protected by small steps "
            f"only. Give data that the pipeline was trained on: texts{texts} would help most."
        )
    return found
