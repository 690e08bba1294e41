"""Calibrate a trained pipeline on held-out annotation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..common.errors import UserError
from ..common.pipelines import load_pipeline, pipeline_name, replace_pipeline
from ..data.corpus import Data, misaligned_warning, read_examples
from ..inference.candidates import LONGEST_CANDIDATE
from ..inference.recognizers import component_with_crf, entity_source
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import MOST_OF_SET
from ..pipeline.settings import calibration_of
from ..training import Calibration
from .best_thresholds import BestF, set_best_thresholds
from .coverage import CoverageControl, control_coverage
from .familiarity import Familiarity, FamiliarityCount
from .provenance import CALIBRATED, CHOSEN, TRAINED, Use, note_calibration, uses_of
from .quality import (
    Quality,
    annotated_examples,
    examples_before,
    quality_of,
    unknown_labels,
)
from .risk_control import (
    RecallLevel,
    RiskControl,
    control_recall,
    forget_control,
    recall_levels,
    scored_docs,
)

_BATCH = 128  # docs
CHANGED = 5e-4  # at least: three digits are printed
USES = {
    TRAINED: "on which the model was trained",
    CHOSEN: "by which the model was chosen",
    CALIBRATED: "on which it was calibrated",
}


class Calibrated(NamedTuple):
    """A pipeline with fitted probabilities, or with fitted thresholds.

    Attributes:
        nlp: The pipeline.
        labels: The labels of its component, in the order of `calibration.label_biases`.
        calibration: The temperature and the biases; None if anything else was asked for.
        risk_control: The threshold of each label, or that of all entities under the name "". Empty
            if no recall was asked for.
        before: Scores on the data before the calibration; None without one.
        after: Scores after it, on the data that it was fitted to.
        levels: Recalls to choose from and what each costs, for the names of `risk_control`.
        warnings: What stands against the result, in sentences.
        best_f: The thresholds with the best F; None if they were not asked for.
        coverage: What sets of tag sequences are made by; None if they were not asked for.
    """

    nlp: Language
    labels: tuple[str, ...]
    calibration: Calibration | None
    risk_control: dict[str, RiskControl]
    before: Quality | None
    after: Quality | None
    levels: dict[str, list[RecallLevel]]
    warnings: list[str]
    best_f: BestF | None = None
    coverage: CoverageControl | None = None

    def to_disk(self, folder: str | Path) -> None:
        """Save the pipeline to a folder, replacing an existing one.

        Raises:
            UserError: If it can't be written. An existing folder is then unchanged.
        """
        replace_pipeline(self.nlp, folder)


def calibrate(
    pipeline: Language | str | Path,
    data: Data,
    *,
    component: str = "ner",
    recall: float | None = None,
    per_label: bool = False,
    best_f: bool = False,
    beta: float | None = None,
    coverage: float | None = None,
) -> Calibrated:
    """Fit a pipeline's probabilities, or its thresholds, to held-out annotation.

    Without `recall`, `best_f` or `coverage`, a temperature and a bias for each label are fitted, so
    that probabilities agree with how often they are right. Docs with a label that the component
    lacks are left out then. With one of these three, the calibration is left as it is.

    With `recall`, `candidates_threshold` is set by conformal risk control (see `risk_control`).
    Candidates may then have up to 1,000 tokens: a recall is no use if long entities can't be found.

    With `best_f`, `threshold` is set to the value with the best F on the data, for all labels or
    with `per_label` for each (see `best_thresholds`).

    With `coverage`, the least probability of a tag sequence in `sequence_set` is set by conformal
    prediction (see `coverage`).

    Args:
        pipeline: The pipeline, its folder, or the name of an installed package. A loaded pipeline
            is changed.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them. The model must
            not have been trained on them; with `recall` or `coverage` they must not have been used
            at all. With `best_f`, take the development data.
        component: Name of the component, a `bilstm_crf_ner` or `bilstm_crf_spans`.
        recall: Expected share of a document's entities that are among the candidates, above 0 and
            below 1.
        per_label: Control the recall of each label by a threshold of its own, or give each label
            the threshold with its best F.
        best_f: Set the threshold of entities.
        beta: How many times as important recall is as precision for `best_f`; 1 by default.
        coverage: Share of documents whose set of tag sequences contains the right one, above 0 and
            below 1.

    Returns:
        The pipeline, what was fitted, and how good it is.

    Raises:
        UserError: If there is no such pipeline, component or data, if all annotated docs have a
            label that the component lacks, if there are too few for the recall, or if arguments
            can't be combined.
    """
    if (recall is not None) + best_f + (coverage is not None) > 1:
        raise UserError(
            "--recall sets the threshold of candidates, --best-f that of entities, and --coverage "
            "that of tag sequences: run one after the other."
        )
    if per_label and recall is None and not best_f:
        raise UserError(
            "--per-label needs --recall, the recall that each label should have, or --best-f."
        )
    if beta is not None and not best_f:
        raise UserError("--beta needs --best-f: it weighs recall against precision in F.")
    if beta is not None and not 0.0 < beta < math.inf:
        raise UserError(f"--beta must be above 0, but is {beta}.")
    nlp = load_pipeline(pipeline)
    ner = component_with_crf(nlp, pipeline_name(pipeline), component)
    examples = examples_before(nlp, read_examples(data, nlp, entity_source(ner)), component)
    if best_f:
        return _with_best_f(nlp, ner, component, examples, beta or 1.0, per_label)
    if coverage is not None:
        return _covered(nlp, ner, component, examples, coverage)
    if recall is None:
        return _fitted(nlp, ner, component, data, examples)
    return _controlled(nlp, ner, component, examples, recall, per_label)


def _fitted(
    nlp: Language,
    ner: TrainableCRF,
    component: str,
    data: Data,
    examples: list[Example],
) -> Calibrated:
    """Fit the calibration, and score it before and after."""
    known, warnings = _with_known_labels(ner, component, data, examples)
    references = [example.reference for example in known]
    misaligned = misaligned_warning(known, entity_source(ner))
    warnings += [] if misaligned is None else [misaligned]
    warnings += _known_to_the_model(nlp, component, references)
    if forget_control(nlp, component):
        warnings.append(
            f"The recall that candidates_threshold of '{component}' was set for no longer holds, "
            f"since the probabilities have changed: run calibrate --recall again."
        )
    before = quality_of(nlp, known, component)
    earlier = calibration_of(ner.cfg)
    calibration = ner.calibrate(known)
    if calibration.is_close(earlier, CHANGED):
        warnings.append("The calibration has not changed: it fits these documents as it is.")
    docs = [example.predicted for example in known]
    note_calibration(nlp, component, data, references, _familiarity(ner, docs))
    after = quality_of(nlp, known, component)
    return Calibrated(nlp, ner.labels, calibration, {}, before, after, {}, warnings)


def _with_known_labels(
    ner: TrainableCRF, component: str, data: Data, examples: list[Example]
) -> tuple[list[Example], list[str]]:
    """Leave out documents with labels that the component lacks, and warn of them.

    Raises:
        UserError: If no annotated document is left.
    """
    unknown = unknown_labels(ner, examples)
    if not unknown:
        return examples, []
    lacking = _lacking(ner, component, unknown)
    known = [example for example in examples if not unknown_labels(ner, [example])]
    if not annotated_examples(ner, known):
        raise UserError(
            f"{_name_of(data)}: {lacking} No other document is annotated: take these entities out "
            f"of the data, or train the pipeline with them first."
        )
    n_out = len(examples) - len(known)
    return known, [f"{lacking} Documents with them are left out: {n_out:,} of {len(examples):,}."]


def _known_to_the_model(nlp: Language, component: str, references: Sequence[Doc]) -> list[str]:
    """Warn of documents that the model was trained on."""
    trained = [use for use in uses_of(nlp, component, references) if use.how == TRAINED]
    if not any(use.n_docs for use in trained):
        return []
    return [
        f"{_counted(trained)}. The model knows these, so its probabilities will be too high on "
        f"others. Calibrate on documents that it was not trained on."
    ]


def _with_best_f(
    nlp: Language,
    ner: TrainableCRF,
    component: str,
    examples: list[Example],
    beta: float,
    per_label: bool,
) -> Calibrated:
    """Set the threshold of entities with the best F."""
    warnings = _known_to_the_model(nlp, component, [example.reference for example in examples])
    unknown = unknown_labels(ner, examples)
    if unknown:
        warnings.append(f"{_lacking(ner, component, unknown)} They count as missed.")
    found = set_best_thresholds(nlp, examples, component, beta=beta, per_label=per_label)
    return Calibrated(nlp, ner.labels, None, {}, None, None, {}, warnings, found)


def _familiarity(ner: TrainableCRF, docs: Sequence[Doc]) -> Familiarity:
    """Measure how well a component knows docs that have been through those before it."""
    found = FamiliarityCount()
    for batch in minibatch(docs, _BATCH):
        found.add(batch, ner.entropy(batch), ner.unknown_words(batch))
    return found.mean()


def _controlled(
    nlp: Language,
    ner: TrainableCRF,
    component: str,
    examples: list[Example],
    recall: float,
    per_label: bool,
) -> Calibrated:
    """Set the threshold of candidates for a recall, and compute what it and others cost."""
    warnings = _not_exchangeable(nlp, component, [example.reference for example in examples])
    unknown = unknown_labels(ner, examples)
    if unknown:
        warnings.append(
            f"{_lacking(ner, component, unknown)} These entities count as missed. If there will be "
            f"none in new documents, take them out of the data; otherwise train the pipeline with "
            f"them."
        )
    longest = max(ner.candidates_max_length, LONGEST_CANDIDATE)
    docs = scored_docs(ner, examples, longest)
    found = control_recall(nlp, docs, recall, component=component, per_label=per_label)
    ner.candidates_max_length = longest
    levels = {label: recall_levels(docs, label, recall) for label in found}
    warnings += _not_reached(found)
    return Calibrated(nlp, ner.labels, None, found, None, None, levels, warnings)


def _covered(
    nlp: Language, ner: TrainableCRF, component: str, examples: list[Example], coverage: float
) -> Calibrated:
    """Set what sets of tag sequences are made by."""
    warnings = _not_exchangeable(nlp, component, [example.reference for example in examples])
    found = control_coverage(nlp, examples, coverage, component=component)
    if found.n_docs < len(examples):
        warnings.append(
            f"{len(examples) - found.n_docs:,} of the documents are left out, since they are not "
            f"annotated completely."
        )
    if found.incomplete:
        warnings.append(
            f"{found.incomplete:.1%} of the sets have more than {MOST_OF_SET:,} tag sequences: "
            f"whole documents have too many. Split them into sentences, or lower the coverage."
        )
    return Calibrated(nlp, ner.labels, None, {}, None, None, {}, warnings, coverage=found)


def _name_of(data: Data) -> str:
    return str(data) if isinstance(data, str | Path) else "The data"


def _lacking(ner: TrainableCRF, component: str, unknown: Mapping[str, int]) -> str:
    named = ", ".join(f"{label} ({n:,})" for label, n in unknown.items())
    return (
        f"Annotated entities have labels that '{component}' lacks: {named}. It has "
        f"{', '.join(ner.labels)}."
    )


def _not_exchangeable(nlp: Language, component: str, docs: Sequence[Doc]) -> list[str]:
    """Warn of documents that have been used already, as far as the pipeline knows."""
    uses = uses_of(nlp, component, docs)
    warnings = []
    if any(use.n_docs for use in uses):
        warnings.append(
            f"{_counted(uses)}. They are not exchangeable with new documents, so the bound does "
            f"not hold for those. Hold out other documents, which were used for nothing else."
        )
    unread = [f"{use.path}, {USES[use.how]}" for use in uses if use.n_docs is None]
    if unread:
        warnings.append(
            f"Can't read {'; nor '.join(unread)}. Make sure yourself that none of the documents is "
            f"in there: the bound holds only for documents that were never used."
        )
    return warnings


def _counted(uses: Sequence[Use]) -> str:
    """Say how many of the documents were used for what."""
    return "; ".join(
        f"{use.n_docs:,} of the documents are "
        f"{f'in {use.path},' if use.path else 'those'} {USES[use.how]}"
        for use in uses
        if use.n_docs
    )


def _not_reached(found: Mapping[str, RiskControl]) -> list[str]:
    """Warn of recalls that even the lowest threshold does not reach."""
    return [
        f"{f'{label}: a' if label else 'A'} recall of {control.recall} is more than the model can "
        f"reach here: the lowest threshold is set, and with it {control.found:.1%} of a document's "
        f"entities are candidates. Others are no whole tokens, have a label that the model lacks, "
        f"or are next to impossible to it. Train on more data. Don't try other documents until it "
        f"is reached: that would select easy ones."
        for label, control in found.items()
        if not control.is_reached
    ]
