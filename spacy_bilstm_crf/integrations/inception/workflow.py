"""The function behind `serve --inception`."""

from pathlib import Path
from typing import Any

from ...common.errors import check_installed
from ..live_model.workflow import absolute, serve_live_model
from .settings import INCEPTION, RecommenderSettings


def serve_inception(
    pipeline: str | Path,
    folder: str | Path,
    *,
    train_after: int = 1,
    finished: bool = False,
    component: str = "ner",
    old_data: str | Path | None = None,
    dev: str | Path | None = None,
    max_steps: int | None = None,
    **service: Any,
) -> None:
    """Serve a pipeline as `serve` does, and as an external recommender for INCEpTION.

    INCEpTION gets suggestions with their probabilities. What is annotated there is kept in a
    folder. When it changes, a new version is trained, in a process of its own, and swapped in. The
    newest version is served after a restart, and a training that was interrupted begins again.

    Args:
        pipeline: A folder or the name of an installed package: the first version.
        folder: Where annotations and versions are kept. It belongs to one layer of one project.
        train_after: Requests with something new that start a training; 0 for none.
        finished: Whether INCEpTION sends finished documents only, in which a sentence without an
            annotation has no entity. If not, nothing is learned from such a sentence.
        component: Name of the `bilstm_crf_ner` to train.
        old_data: Annotated data to learn from as well, such as those that the pipeline was trained
            on: a `.spacy` file or a folder of them. Without them a little annotation makes a
            pipeline worse, so that a training needs these or `dev`.
        dev: Annotated data to choose the model by. A version that is worse on them is not used.
            None holds out every tenth sentence and every tenth of the old data, and uses each
            version.
        max_steps: Maximum number of steps of a training. Default: that of the pipeline's own
            training.
        **service: Further arguments of `workflows.serve`.

    Raises:
        UserError: If the pipeline can't be served or trained, data can't be read or are not
            annotated, or the folder belongs to another service or pipeline.
    """
    check_installed("serve", "fastapi", "uvicorn", "prometheus_client")
    check_installed("inception", "cassis")
    from .recommender import recommender_extension

    settings = RecommenderSettings(
        train_after,
        component,
        absolute(old_data),
        absolute(dev),
        max_steps,
        service.get("threshold"),
        absolute(service.get("code")),
        finished,
    )
    serve_live_model(
        INCEPTION,
        pipeline,
        folder,
        settings,
        lambda folder, version: recommender_extension(folder, version, settings),
        service,
    )
