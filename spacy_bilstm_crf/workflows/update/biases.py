"""Make new labels rarer, as long as their entities are still found."""

from collections.abc import Collection, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...common.errors import UserError
from ...common.pipelines import pipeline_name
from ...data.corpus import Data, read_annotated, unannotated
from ...inference.recognizers import recognizer_of
from ...pipeline import BiLSTMCRFEntityRecognizer
from ..quality import examples_before
from .examples import with_other_words
from .scores import LabelGroups, Sample

BIAS_STEP, LEAST_BIAS = 0.125, -1.5
STILL_FOUND = 0.9  # share of the entities of the new data
FEW_OVERUSED = 0.03  # share of the docs without the labels


def lower_biases(
    nlp: Language,
    data: Data,
    labels: Collection[str],
    *,
    old_data: Data | None = None,
    component: str = "ner",
) -> float:
    """Lower the biases of new labels as long as 90 % of their entities are still found.

    After a few steps of training on texts that all have a new label, it is found in too many other
    texts, and in place of old labels. The biases are lowered until the labels are found in at most
    3 % of the texts that have none: of the old data, or without them of copies of the data in which
    other words stand in the entities' places.

    Args:
        nlp: The pipeline, which was trained on the data. Its component is changed.
        data: Annotated docs that have the labels, or the path of a `.spacy` file or of a folder of
            them.
        labels: The labels.
        old_data: Annotated docs without them, or their path.
        component: Name of the component.

    Returns:
        What was added to the biases, from -1.5 to 0.

    Raises:
        UserError: If there is no such component, it lacks a label, or data can't be read.
    """
    ner = recognizer_of(nlp, pipeline_name(nlp), component)
    unknown = sorted(set(labels) - set(ner.labels))
    if unknown:
        raise UserError(f"The component '{component}' has no label '{unknown[0]}'.")
    known = [label for label in ner.labels if label not in labels]
    docs = read_annotated(data, nlp.vocab)
    without = read_annotated(old_data, nlp.vocab) if old_data else with_other_words(docs, labels)
    return lowest_biases(
        ner,
        LabelGroups(known, sorted(labels), sorted(labels)),
        sample_of(nlp, docs, component),
        sample_of(nlp, without, component),
    )


def sample_of(nlp: Language, docs: Sequence[Doc], component: str) -> Sample:
    """Make a sample of docs, to score a component on."""
    examples = [Example(unannotated(nlp, doc), doc) for doc in docs]
    return Sample(examples_before(nlp, examples, component))


def lowest_biases(
    ner: BiLSTMCRFEntityRecognizer, labels: LabelGroups, new: Sample, without: Sample
) -> float:
    """Do what `lower_biases` does, for examples.

    Args:
        ner: The component.
        labels: Its labels. The biases of the added ones are lowered.
        new: Examples that have these.
        without: Examples that may lack them.

    Returns:
        What was added to the biases.
    """
    n_labels = len(ner.labels)
    before = [*ner.cfg["label_biases"], *[0.0] * n_labels][:n_labels]
    bias = 0.0
    while bias > LEAST_BIAS and not _is_rare(without, ner, labels):
        _set_bias(ner, before, labels.added, bias - BIAS_STEP)
        if (new.scores(ner, labels).found or 0.0) < STILL_FOUND:
            break
        bias -= BIAS_STEP
    _set_bias(ner, before, labels.added, bias)
    return bias


def _is_rare(without: Sample, ner: BiLSTMCRFEntityRecognizer, labels: LabelGroups) -> bool:
    overused = without.scores(ner, labels).overused
    return overused is not None and overused <= FEW_OVERUSED


def _set_bias(
    ner: BiLSTMCRFEntityRecognizer, before: list[float], added: Sequence[str], bias: float
) -> None:
    ner.cfg["label_biases"] = tuple(
        value + bias * (label in added) for label, value in zip(ner.labels, before)
    )
