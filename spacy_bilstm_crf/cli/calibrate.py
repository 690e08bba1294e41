"""`calibrate`: make the probabilities of a trained pipeline fit held-out annotation."""

from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_pipeline_folder, save_folder
from ..common.pipelines import import_code, load_pipeline
from ..inference.recognizers import recognizer_of
from .app import bilstm_crf_cli, choose_gpu, fails_in_one_line

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example

    from ..pipeline import BiLSTMCRFEntityRecognizer
    from ..training.calibration import Calibration
    from ..workflows.risk_control import Guarantee


@bilstm_crf_cli.command("calibrate")
def calibrate_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    data_path: Path = Argument(
        ..., help="Annotation that was not trained on: a .spacy file, or a folder of them"
    ),
    output: Path = Option(..., "--output", "-o", help="Folder to save the calibrated pipeline to"),
    component: str = Option("ner", "--component", "-c", help="Name of the component"),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the pipeline needs"
    ),
    recall: float | None = Option(
        None,
        "--recall",
        help="Leave the calibration, and set candidates_threshold so that of a document's entities "
        "this share is among the candidates at least, on average. The data must not have been used "
        "for anything else",
    ),
    per_label: bool = Option(False, "--per-label", help="Promise the recall of each label"),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace a pipeline that is there"),
) -> None:
    """Calibrate the probabilities of a trained pipeline.

    Fits a temperature and a bias for each label on annotation that was not trained on, best the
    development data, and saves the pipeline with them in a new folder. With --recall it finds the
    threshold of a promise instead: that the candidates miss at most so many entities.
    """
    with fails_in_one_line():
        check_pipeline_folder(output, force_overwrite)
        import_code(code_path)
        choose_gpu(use_gpu)
        if per_label and recall is None:
            raise UserError("--per-label goes with --recall: say how much is to be promised.")
        if recall is not None:
            promises = promise_recall(pipeline, data_path, output, recall, component, per_label)
        else:
            found, labels = calibrate(pipeline, data_path, output, component)
    if recall is not None:
        msg.good(f"Saved '{component}' with its candidates_threshold in {output}")
        for label, promise in promises.items():
            print(
                f"{label or 'all labels'}: candidates from a probability of "
                f"{promise.threshold:.4f} on; {promise.found:.1%} found of the entities of a doc "
                f"(mean of {promise.n_docs:,} with entities)"
            )
        return
    biases = ", ".join(f"{label} {bias:.3f}" for label, bias in zip(labels, found.label_biases))
    msg.good(f"Saved '{component}' with its calibration in {output}")
    print(f"temperature {found.temperature:.3f}; biases: {biases}")


def calibrate(
    pipeline: str, data_path: Path, output: Path, component: str = "ner"
) -> tuple["Calibration", tuple[str, ...]]:
    """Fit the temperature and the labels' biases of a component, and save its pipeline.

    Args:
        pipeline: The pipeline's folder, or the name of an installed one.
        data_path: Annotated docs.
        output: Folder to save it to, which takes the place of one that is there.
        component: The component's name.

    Returns:
        The temperature and the biases, and the labels that these are of.

    Raises:
        UserError: If there is no such pipeline, component or data, or it can't be saved.
    """
    nlp, ner, examples = _prepared(pipeline, data_path, component)
    found = ner.calibrate(examples)
    save_folder(nlp.to_disk, output)
    return found, ner.labels


def promise_recall(
    pipeline: str,
    data_path: Path,
    output: Path,
    recall: float,
    component: str = "ner",
    per_label: bool = False,
) -> dict[str, "Guarantee"]:
    """Set the threshold of candidates so that they miss few enough entities, and save the pipeline.

    See `evaluation.guarantee`, which says what is promised.

    Raises:
        UserError: If there is no such pipeline, component or data, or it is too little.
    """
    from ..workflows.risk_control import guarantee_recall

    nlp, _, examples = _prepared(pipeline, data_path, component)
    try:
        found = guarantee_recall(nlp, examples, recall, component, per_label)
    except ValueError as error:
        raise UserError(str(error)) from error
    save_folder(nlp.to_disk, output)
    return found


def _prepared(
    pipeline: str, data_path: Path, component: str
) -> tuple["Language", "BiLSTMCRFEntityRecognizer", list["Example"]]:
    """The pipeline, its component, and examples that have been through what comes before that."""
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..data.corpus import before_component, read_examples

    nlp = load_pipeline(pipeline)
    ner = recognizer_of(nlp, pipeline, component)
    examples = read_examples(data_path, nlp)
    docs = before_component(nlp, [example.predicted for example in examples], component)
    for example, doc in zip(examples, docs):
        example.predicted = doc
    return nlp, ner, examples
