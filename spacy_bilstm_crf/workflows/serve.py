"""Serve a pipeline over HTTP."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacy.language import Language

from ..common.errors import UserError, check_at_least, check_installed, check_probability
from ..common.pipelines import import_code, load_pipeline, pipeline_name

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..inference.service import Extension

MOST_PORT = 65535
# A name, an address, all names below one, or any
HOST = r"(\*\.)?[^\s*:/\[\]]+|\[[^\s*/\[\]]+\]|\*"


def serve(
    pipeline: Language | str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    threshold: float | None = None,
    workers: int = 1,
    batch_size: int = 64,
    max_texts: int = 256,
    max_characters: int = 100_000,
    max_waiting: int = 1000,
    queue_timeout: float = 5.0,
    grace: int = 60,
    allowed_hosts: Sequence[str] = (),
    code: str | Path | None = None,
    on_loading: Callable[[str], None] = lambda name: None,
    on_listening: Callable[[str], None] = lambda address: None,
    extension: "Extension | None" = None,
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and `POST /annotate` for programs.

    SIGTERM and Ctrl-C stop the server once accepted requests are answered. To make it part of an
    app of your own, see `inference.service.make_app`.

    Args:
        pipeline: A folder, the name of an installed package or, for one worker, a loaded pipeline.
            It may have any components; probabilities, thresholds and candidates need a
            `bilstm_crf_ner` or `bilstm_crf_spans`.
        host: Address to listen on; 0.0.0.0 for all of this machine's.
        port: Port to listen on; 0 for any that is free.
        threshold: Threshold for requests that don't set one, instead of the components' own.
        workers: The number of processes. Each loads the pipeline.
        batch_size: Maximum number of texts, of several requests, that are predicted together.
        max_texts: Maximum number of texts per request.
        max_characters: Maximum number of characters of all texts of a request.
        max_waiting: Maximum number of waiting requests per process; further ones get status 503.
        queue_timeout: Seconds that a request may wait for its turn; then it gets status 503.
        grace: Seconds to finish accepted requests on shutdown.
        allowed_hosts: Host names by which clients may call the service, besides `localhost` and
            `host`; for 0.0.0.0, besides the name and addresses of this machine. "*.example.com" are
            all names below one, "*" is any.
        code: Python file with registered functions that the pipeline needs.
        on_loading: Called with the name of the pipeline before it is loaded, which takes seconds.
        on_listening: Called with the address as soon as it is open.
        extension: Adds further routes to the app, for one worker: see `inference.service.make_app`.

    Raises:
        UserError: If the pipeline can't be served, or not at this address.
    """
    numbers = {"batch_size": batch_size, "max_texts": max_texts, "max_waiting": max_waiting}
    check_at_least(1, workers=workers, max_characters=max_characters, **numbers)
    check_at_least(0, port=port, grace=grace, queue_timeout=queue_timeout)
    check_probability(threshold=threshold)
    if port > MOST_PORT:
        raise UserError(f"port must be at most {MOST_PORT}, but is {port}.")
    for name in allowed_hosts:
        _check_host(name)
    if workers > 1 and isinstance(pipeline, Language):
        raise UserError("With several workers, each loads the pipeline: give its folder.")
    if workers > 1 and extension is not None:
        raise UserError("An extension of the app is for one worker: set workers to 1.")
    check_installed("serve", "fastapi", "uvicorn", "prometheus_client")
    from ..inference.service import Limits, ServerSettings, app_of, bound, own_names, run_server

    code = None if code is None else Path(code).resolve()
    import_code(code)
    settings = ServerSettings(
        pipeline_name(pipeline),
        threshold,
        Limits(max_texts, max_characters, max_waiting, queue=queue_timeout),
        batch_size,
        None if code is None else str(code),
        [*own_names(host), *allowed_hosts],
    )
    on_loading(settings.pipeline)
    # Several workers make apps of their own: this process only sees whether that is possible
    app: FastAPI | None = app_of(load_pipeline(pipeline), settings, extension)
    app = app if workers == 1 else None
    try:
        listening = bound(host, port)
    except OSError as error:
        why, _, _ = str(error.strerror).partition(" (while")  # where is said already
        raise UserError(f"Can't listen on {host}, port {port}: {why}.") from error
    with listening:
        address = f"[{host}]" if ":" in host else host
        on_listening(f"http://{address}:{listening.getsockname()[1]}")
        run_server(app, settings, listening, workers, grace)


def _check_host(name: str) -> None:
    if not re.fullmatch(HOST, name):
        raise UserError(
            f"allowed_hosts {name}: give a host name without scheme and port, such as example.com, "
            f"or *.example.com for all names below it."
        )
