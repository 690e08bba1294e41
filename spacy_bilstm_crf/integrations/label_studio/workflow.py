"""The function behind `serve --label-studio`."""

from pathlib import Path
from typing import Any

from ...common.errors import UserError, check_at_least, check_installed, check_probability
from ...common.files import check_folder, locked, reported_os_errors
from ...workflows.serve import serve
from .versions import newest_version


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
    check_at_least(0, train_after=train_after)
    check_at_least(1, max_steps=max_steps)
    check_probability(candidates=candidates)
    if service.get("workers", 1) != 1:
        raise UserError(
            "Annotations and versions for Label Studio are kept by one process: set workers to 1."
        )
    if train_after and old_data is None and dev is None:
        raise UserError(
            "A pipeline that learns from a few tasks alone forgets: name data that it was trained "
            "on with --old-data, or data to check each version by with --dev. --train-after 0 only "
            "predicts."
        )
    check_installed("serve", "fastapi", "uvicorn", "prometheus_client")
    from .backend import extension_of
    from .settings import BackendSettings

    folder = Path(folder).resolve()
    check_folder(folder, "name a folder for the annotations")
    with reported_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    version = newest_version(folder, pipeline)
    settings = BackendSettings(
        train_after,
        candidates,
        candidates_control,
        unfinished,
        component,
        _absolute(old_data),
        _absolute(dev),
        max_steps,
        service.get("threshold"),
        _absolute(service.get("code")),
    )
    with locked(folder):
        serve(version.folder, **service, extension=extension_of(folder, version, settings))


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).resolve())
