"""Calibrate a trained pipeline on held-out annotation."""

from pathlib import Path
from typing import NamedTuple

from spacy.language import Language

from ..common.errors import UserError
from ..common.files import save_folder
from ..common.pipelines import load_pipeline, pipeline_name
from ..data.corpus import Data, before_component, read_examples
from ..inference.recognizers import recognizer_of
from ..training import Calibration
from .risk_control import RiskControl, control_recall


class Calibrated(NamedTuple):
    """A pipeline with fitted probabilities, or with a fitted threshold for candidates.

    Attributes:
        nlp: The pipeline.
        labels: The labels of its component, in the order of `calibration.label_biases`.
        calibration: The temperature and the biases; None if a recall was asked for.
        risk_control: The threshold of each label, or that of all entities under the name "". Empty
            if no recall was asked for.
    """

    nlp: Language
    labels: tuple[str, ...]
    calibration: Calibration | None
    risk_control: dict[str, RiskControl]

    def to_disk(self, folder: str | Path) -> None:
        """Save the pipeline to a folder, replacing an existing one.

        Raises:
            UserError: If it can't be written. An existing folder is then unchanged.
        """
        save_folder(self.nlp.to_disk, Path(folder))


def calibrate(
    pipeline: Language | str | Path,
    data: Data,
    *,
    component: str = "ner",
    recall: float | None = None,
    per_label: bool = False,
) -> Calibrated:
    """Fit a pipeline's probabilities, or its threshold for candidates, to held-out annotation.

    Without `recall`, a temperature and a bias for each label are fitted, so that probabilities
    agree with how often they are right. With it, the calibration is left as it is, and
    `candidates_threshold` is set by conformal risk control (see `risk_control`).

    Args:
        pipeline: The pipeline, its folder, or the name of an installed package. A loaded pipeline
            is changed.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them. The model must
            not have been trained on them; with `recall` they must not have been used at all.
        component: Name of the component.
        recall: Expected share of a document's entities that are among the candidates, above 0 and
            below 1.
        per_label: Control the recall of each label by a threshold of its own.

    Returns:
        The pipeline and what was fitted.

    Raises:
        UserError: If there is no such pipeline, component or data, or if the data are too few for
            the recall.
    """
    if per_label and recall is None:
        raise UserError("--per-label needs --recall: set the recall that each label should have.")
    nlp = load_pipeline(pipeline)
    ner = recognizer_of(nlp, pipeline_name(pipeline), component)
    examples = read_examples(data, nlp)
    docs = before_component(nlp, [example.predicted for example in examples], component)
    for example, doc in zip(examples, docs):
        example.predicted = doc
    if recall is None:
        return Calibrated(nlp, ner.labels, ner.calibrate(examples), {})
    found = control_recall(nlp, examples, recall, component=component, per_label=per_label)
    return Calibrated(nlp, ner.labels, None, found)
