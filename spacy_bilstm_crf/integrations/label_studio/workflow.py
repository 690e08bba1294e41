"""The function behind `serve --label-studio`."""

from pathlib import Path
from typing import Any

from ...common.errors import check_installed, check_probability
from ..live_model.workflow import absolute, serve_live_model
from .settings import LABEL_STUDIO, BackendSettings


def serve_label_studio(
    pipeline: str | Path,
    folder: str | Path,
    *,
    train_after: int = 20,
    candidates: float | None = None,
    candidates_control: str = "candidates",
    unfinished: str | None = None,
    component: str = "ner",
    old_data: str | Path | None = None,
    dev: str | Path | None = None,
    max_steps: int | None = None,
    **service: Any,
) -> None:
    """Serve a pipeline as `serve` does, and as a live model for one project of Label Studio.

    Label Studio gets predictions, with the probability of each region and of the whole task. What
    is annotated there is kept in a folder. After so many changes a new version is trained, in a
    process of its own, and swapped in. The newest version is served after a restart, and a training
    that was interrupted begins again.

    Args:
        pipeline: A folder or the name of an installed package: the first version.
        folder: Where annotations and versions are kept. It belongs to one project.
        train_after: Changes of annotations that start a training; 0 for none.
        candidates: Also show candidates with at least this probability, with a `<Labels>` of their
            own. None shows none.
        candidates_control: Name of that `<Labels>`.
        unfinished: A choice that annotators make in a task that they leave half done: what they
            have not marked is taken as not annotated.
        component: Name of the `bilstm_crf_ner` to train.
        old_data: Annotated data to learn from as well, such as those that the pipeline was trained
            on: a `.spacy` file or a folder of them. Without them a little annotation makes a
            pipeline worse, so that a training needs these or `dev`.
        dev: Annotated data to choose the model by. A version that is worse on them is not used.
            None holds out every tenth task and every tenth of the old data, and uses each version.
        max_steps: Maximum number of steps of a training. Default: that of the pipeline's own
            training.
        **service: Further arguments of `workflows.serve`.

    Raises:
        UserError: If the pipeline can't be served or trained, data can't be read or are not
            annotated, or the folder belongs to another service or pipeline.
    """
    check_probability(candidates=candidates)
    check_installed("serve", "fastapi", "uvicorn", "prometheus_client")
    from .backend import extension_of

    settings = BackendSettings(
        train_after,
        component,
        absolute(old_data),
        absolute(dev),
        max_steps,
        service.get("threshold"),
        absolute(service.get("code")),
        candidates,
        candidates_control,
        unfinished,
    )
    serve_live_model(
        LABEL_STUDIO,
        pipeline,
        folder,
        settings,
        lambda folder, version: extension_of(folder, version, settings),
        service,
    )
