"""Export a trained pipeline, so that it predicts without torch."""

from pathlib import Path
from typing import Any, NamedTuple, get_args

from spacy.language import Language
from spacy.training import Example
from thinc.api import Model, PyTorchShim

from ..common.errors import UserError, check_choice, check_installed
from ..common.files import save_folder
from ..common.pipelines import load_pipeline, pipeline_name, save_pipeline
from ..data.corpus import Data, predicted_docs, read_examples
from ..inference.recognizers import components_with_crf, entity_source_of, require_crf
from ..pipeline import BiLSTMCRFSpanRecognizer
from ..pipeline.exporting import Precision, export_component
from .quality import Quality, quality_of_pipeline
from .risk_control import forget_control

# What the exported pipeline needs besides this package, as in the extra `onnx`
RUNTIME = "onnxruntime>=1.20.0"


class Difference(NamedTuple):
    """What changes on annotated docs.

    Attributes:
        before: Scores of the pipeline that was given.
        after: Scores of the exported one.
        n_entities: Entities that the pipeline found.
        n_different: Entities that only one of the two found.
    """

    before: Quality
    after: Quality
    n_entities: int
    n_different: int


class ExportedPipeline(NamedTuple):
    """A pipeline that predicts without torch.

    Attributes:
        nlp: The pipeline.
        difference: What changes on the data; None without data.
        warnings: What no longer holds of the pipeline, in sentences.
    """

    nlp: Language
    difference: Difference | None
    warnings: list[str]

    def to_disk(self, folder: str | Path) -> None:
        """Save the pipeline, and check that it loads.

        Args:
            folder: The folder; an existing one is replaced.

        Raises:
            UserError: If it can't be written or loaded. An existing folder is then unchanged.
        """
        save_folder(self._save, Path(folder))

    def _save(self, folder: Path) -> None:
        save_pipeline(self.nlp, folder)
        load_pipeline(folder)


def export(
    pipeline: Language | str | Path,
    *,
    precision: Precision = "float32",
    data: Data | None = None,
) -> ExportedPipeline:
    """Replace torch in a trained pipeline by NumPy and ONNX Runtime.

    The result is smaller, starts sooner, and takes less time for a text. It can't be trained.

    Args:
        pipeline: The pipeline, its folder, or the name of an installed package. A loaded pipeline
            is changed.
        precision: "float32" finds the same entities with the same probabilities. "int8" computes
            the LSTM with 8-bit integers, which takes about half the time and changes few entities.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them, to compare the
            pipelines on.

    Raises:
        UserError: If there is no such pipeline or data, it has no `bilstm_crf_ner`, or a layer
            can't be exported.
    """
    check_choice("--precision", precision, get_args(Precision))
    check_installed("export", "onnx", "onnxruntime")
    nlp, name = load_pipeline(pipeline), pipeline_name(pipeline)
    ours = components_with_crf(nlp)
    require_crf(nlp, name, "export")
    torch_before = _torch_components(nlp)
    found = [component for component in ours if component.name in torch_before]
    if not found:
        raise UserError(f"{name} is exported already.")
    examples = None if data is None else read_examples(data, nlp, entity_source_of(nlp, name))
    before = None if examples is None else _result(nlp, examples)
    for component in found:
        export_component(nlp, component, precision)
    requirements = nlp.meta.setdefault("requirements", [])  # `spacy package` adds them to a wheel
    if RUNTIME not in requirements:
        requirements.append(RUNTIME)
    difference = None
    if examples is not None and before is not None:
        after = _result(nlp, examples)
        pairs = list(zip(before[1], after[1]))
        n_different = sum(len(mine ^ theirs) for mine, theirs in pairs)
        n_entities = sum(len(mine) for mine, _ in pairs)
        difference = Difference(before[0], after[0], n_entities, n_different)
    warnings = [
        f"The recall that candidates_threshold of '{component.name}' was set for may no longer "
        f"hold, since the probabilities have changed: run calibrate --recall on the result."
        for component in found
        if precision == "int8" and forget_control(nlp, component.name)
    ]
    needs_torch = _torch_components(nlp)
    if needs_torch:
        warnings.append(
            f"The pipeline still needs torch, for {', '.join(needs_torch)}: only components of "
            f"this package are exported."
        )
    return ExportedPipeline(nlp, difference, warnings)


def _torch_components(nlp: Language) -> list[str]:
    """Return the names of components with a torch network."""
    models = ((name, getattr(pipe, "model", None)) for name, pipe in nlp.pipeline)
    return [name for name, model in models if _has_torch(model)]


def _has_torch(model: Any) -> bool:
    if not isinstance(model, Model):
        return False
    return any(isinstance(shim, PyTorchShim) for node in model.walk() for shim in node.shims)


def _result(nlp: Language, examples: list[Example]) -> tuple[Quality, list[set[tuple]]]:
    """Return the scores of a pipeline, and the entities that it finds in each doc."""
    copies = (example.predicted.copy() for example in examples)
    docs = predicted_docs(nlp, copies, nlp.pipe_names)
    keys = [c.key for c in components_with_crf(nlp) if isinstance(c, BiLSTMCRFSpanRecognizer)]
    entities = []
    for doc in docs:
        groups = [doc.ents, *(doc.spans.get(key, []) for key in keys)]
        spans = (span for group in groups for span in group)
        entities.append({(span.start_char, span.end_char, span.label_) for span in spans})
    return quality_of_pipeline(nlp, examples), entities
