"""Combine pipelines that were trained with different seeds into one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.util import registry

from ..common.errors import UserError, reported_errors
from ..common.pipelines import load_pipeline, pipeline_name, replace_pipeline
from ..data.corpus import Data, read_examples
from ..inference.recognizers import recognizer_of
from ..training import Calibration
from .quality import Quality, examples_before, quality_of
from .risk_control import forget_control

ARCHITECTURE = "spacy-bilstm-crf.Ensemble.v1"


class Ensembled(NamedTuple):
    """A pipeline that decodes the mean of several.

    Attributes:
        nlp: The pipeline.
        members: Scores of each pipeline on the data, in their order; empty without data.
        quality: Scores of the mean; None without data.
        warnings: What no longer holds of the first pipeline, in sentences.
    """

    nlp: Language
    members: list[Quality]
    quality: Quality | None
    warnings: list[str]

    def to_disk(self, folder: str | Path) -> None:
        """Save the pipeline to a folder, replacing an existing one.

        Raises:
            UserError: If it can't be written. An existing folder is then unchanged.
        """
        replace_pipeline(self.nlp, folder)


def ensemble(
    pipelines: Sequence[Language | str | Path],
    *,
    component: str = "ner",
    data: Data | None = None,
) -> Ensembled:
    """Combine pipelines into one that decodes the mean of their potentials.

    Prediction takes as long as with all pipelines together.

    Args:
        pipelines: Two or more pipelines trained with the same config and labels, but different
            seeds: loaded, or as their folders or the names of installed packages.
        component: Name of the component to average.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them, to score the
            pipelines and their mean on.

    Returns:
        The first pipeline, with the mean in its component. Its other components and settings are
        kept; its calibration is removed, since it was fitted to the first model alone.

    Raises:
        UserError: If there are fewer than two pipelines, one is given twice or as a copy, or they
            differ in more than what they learned.
    """
    if len(pipelines) < 2:
        raise UserError("An ensemble needs at least two pipelines.")
    if len({_identity(pipeline) for pipeline in pipelines}) < len(pipelines):
        raise UserError("An ensemble needs different pipelines, but one is named twice.")
    names = [pipeline_name(pipeline) for pipeline in pipelines]
    loaded = [load_pipeline(pipeline) for pipeline in pipelines]
    recognizers = [recognizer_of(nlp, name, component) for name, nlp in zip(names, loaded)]
    first = loaded[0]
    for name, nlp in zip(names[1:], loaded[1:]):
        _check_same(nlp, name, first, names[0], component)
        for string in nlp.vocab.strings:
            first.vocab.strings.add(string)
    learned = [ner.model.to_bytes() for ner in recognizers]
    if len(set(learned)) < len(learned):
        copy = next(i for i, of_one in enumerate(learned) if of_one in learned[:i])
        raise UserError(
            f"{names[copy]} has the same weights as {names[learned.index(learned[copy])]}, so "
            f"their mean is no other pipeline: train each with another seed (training.seed)."
        )
    data = data if data is None or isinstance(data, str | Path) else list(data)
    scores = [] if data is None else [_scored(nlp, data, component) for nlp in loaded]
    with reported_errors():
        model = registry.architectures.get(ARCHITECTURE)(*(ner.model for ner in recognizers))
    block = first.get_pipe_config(component)
    members = {str(number): block["model"] for number in range(len(recognizers))}
    block["model"] = {"@architectures": ARCHITECTURE, "*": members}
    recognizers[0].model = model
    recognizers[0].cfg.update(Calibration()._asdict())
    warnings = []
    if forget_control(first, component):
        recognizers[0].candidates_threshold = None
        warnings.append(
            f"The candidates_threshold of {names[0]} was set for a recall, which the mean does not "
            f"have: it is removed. Run calibrate --recall on the result."
        )
    quality = None if data is None else _scored(first, data, component)
    return Ensembled(first, scores, quality, warnings)


def _scored(nlp: Language, data: Data, component: str) -> Quality:
    examples = examples_before(nlp, read_examples(data, nlp), component)
    return quality_of(nlp, examples, component)


def _identity(pipeline: Language | str | Path) -> Any:
    return id(pipeline) if isinstance(pipeline, Language) else Path(pipeline).resolve()


def _check_same(nlp: Language, name: str, first: Language, first_name: str, component: str) -> None:
    """Check that a component differs from the first pipeline's only in what it has learned.

    It must have the same model and labels, and get the same vectors and earlier components.
    """
    config, first_config = nlp.get_pipe_config(component), first.get_pipe_config(component)
    for what, mine, theirs in (
        ("model", config["model"], first_config["model"]),
        ("labels", nlp.pipe_labels[component], first.pipe_labels[component]),
    ):
        if mine != theirs:
            raise UserError(
                f"{name} differs from {first_name} in its {what}: an ensemble needs pipelines "
                f"trained with the same config on the same labels."
            )
    vectors, first_vectors = nlp.vocab.vectors, first.vocab.vectors
    same_keys = vectors.key2row == first_vectors.key2row
    if not same_keys or not np.array_equal(vectors.data, first_vectors.data):
        raise UserError(f"{name} has different word vectors than {first_name}.")
    for before in first.pipe_names[: first.pipe_names.index(component)]:
        if before not in nlp.pipe_names or _bytes(first, before) != _bytes(nlp, before):
            raise UserError(
                f"{name} has a different component '{before}' than {first_name}. The ensemble "
                f"would keep only one of them, but '{component}' was trained with both."
            )


def _bytes(nlp: Language, component: str) -> Any:
    """Return all that a component has learned or was given; None if it can't be saved."""
    pipe = nlp.get_pipe(component)
    return pipe.to_bytes() if hasattr(pipe, "to_bytes") else None
