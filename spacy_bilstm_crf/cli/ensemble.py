"""`ensemble`: pipelines that were trained with other seeds, as one pipeline."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_pipeline_folder, save_folder
from ..common.pipelines import import_code, load_pipeline
from ..inference.recognizers import recognizer_of
from .app import bilstm_crf_cli, fails_in_one_line

if TYPE_CHECKING:
    from spacy.language import Language

ARCHITECTURE = "spacy-bilstm-crf.Ensemble.v1"


@bilstm_crf_cli.command("ensemble")
def ensemble_cli(
    pipelines: list[Path] = Argument(
        ..., help="Two pipelines or more, trained by one config with different seeds"
    ),
    output: Path = Option(..., "--output", "-o", help="Folder for the pipeline of all of them"),
    component: str = Option("ner", "--component", help="Name of the bilstm_crf_ner component"),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace a pipeline that is there"),
    code_path: Path = Option(
        None, "--code", "-c", help="Python file with registered functions that they need"
    ),
) -> None:
    """Average the potentials of several pipelines, for the last point of F.

    Prediction takes as long as all of them together. The first pipeline's other components and
    settings are kept; calibrate the result anew.
    """
    with fails_in_one_line():
        check_pipeline_folder(output, force_overwrite)
        import_code(code_path)
        nlp = averaged([str(path) for path in pipelines], component)
        save_folder(nlp.to_disk, output)
    msg.good(f"Saved the mean of {len(pipelines)} pipelines in {output}")


def averaged(pipelines: list[str], component: str = "ner") -> "Language":
    """The first of some pipelines, with the mean of all in its component.

    Args:
        pipelines: Folders or names.
        component: The component.

    Raises:
        UserError: If they are not of one config.
    """
    from spacy.util import registry

    from ..training import Calibration

    if len(pipelines) < 2:
        raise UserError("An ensemble has two pipelines at least.")
    if len({Path(name).resolve() for name in pipelines}) < len(pipelines):
        raise UserError("An ensemble is of different pipelines, but one is named twice.")
    loaded = [load_pipeline(name) for name in pipelines]
    first = loaded[0]
    recognizers = []
    for name, nlp in zip(pipelines, loaded):
        ner = recognizer_of(nlp, name, component)
        _check_same(name, nlp, pipelines[0], first, component)
        for string in nlp.vocab.strings:
            first.vocab.strings.add(string)
        recognizers.append(ner)
    block = first.get_pipe_config(component)
    try:
        model = registry.architectures.get(ARCHITECTURE)(*(ner.model for ner in recognizers))
    except ValueError as error:
        raise UserError(str(error)) from error
    members = {str(number): block["model"] for number in range(len(recognizers))}
    block["model"] = {"@architectures": ARCHITECTURE, "*": members}
    recognizers[0].model = model
    recognizers[0].cfg.update(Calibration()._asdict())  # it was that of the first alone
    return first


def _check_same(
    name: str, nlp: "Language", first_name: str, first: "Language", component: str
) -> None:
    """See to it that a pipeline is of the first one's config."""
    for what, one, other in (
        (
            "model",
            first.get_pipe_config(component)["model"],
            nlp.get_pipe_config(component)["model"],
        ),
        ("labels", first.pipe_labels[component], nlp.pipe_labels[component]),
    ):
        if one != other:
            raise UserError(
                f"{name} has another {what} than {first_name}: an ensemble is of pipelines that "
                f"one config trained on the same labels."
            )
    one, other = first.vocab.vectors, nlp.vocab.vectors
    if (
        one.shape != other.shape
        or one.key2row != other.key2row
        or not np.array_equal(one.data, other.data)
    ):
        raise UserError(f"{name} has other word vectors than {first_name}.")
    for before in first.pipe_names[: first.pipe_names.index(component)]:
        if before not in nlp.pipe_names or _bytes(first, before) != _bytes(nlp, before):
            raise UserError(
                f"{name} has another component '{before}' than {first_name}, and an ensemble has "
                f"one: its '{component}' would get what it was not trained with."
            )


def _bytes(nlp: "Language", component: str) -> Any:
    """All that a component has learned or was given; nothing where it can't be saved."""
    pipe = nlp.get_pipe(component)
    return pipe.to_bytes() if hasattr(pipe, "to_bytes") else None
