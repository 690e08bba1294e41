"""`serve`: the pipeline as an HTTP service, with a page to try it."""

import sys
from collections.abc import Callable

from typer import Option
from wasabi import msg

from .app import bilstm_crf_cli
from .options import BatchSizeOption, CodeOption, PipelineArgument


@bilstm_crf_cli.command("serve")
def serve_cli(
    pipeline: PipelineArgument,
    host: str = Option("127.0.0.1", "--host", "-h", help="Address to listen on; 0.0.0.0 for all"),
    port: int = Option(
        8080, "--port", "-p", min=0, max=65535, help="Port to listen on; 0 for any free one"
    ),
    threshold: float | None = Option(
        None, "--threshold", "-t", min=0, max=1, help="Threshold for requests that don't set one"
    ),
    workers: int = Option(
        1, "--workers", "-w", min=1, max=1000, help="Number of processes. Each loads the pipeline"
    ),
    batch_size: BatchSizeOption = 64,
    max_texts: int = Option(256, min=1, help="Maximum number of texts per request"),
    max_characters: int = Option(
        100_000, min=1, help="Maximum number of characters of all texts of a request"
    ),
    max_waiting: int = Option(
        1000, min=1, help="Maximum number of waiting requests per process; others get a 503"
    ),
    queue_timeout: float = Option(
        5.0,
        min=0,
        help="Seconds that a request may wait for its turn; then it gets a 503",
    ),
    grace: int = Option(60, min=0, help="Seconds to finish accepted requests on shutdown"),
    allowed_hosts: list[str] | None = Option(
        None,
        "--allowed-host",
        help="Host name that requests may name besides this machine's; '*' for any. Repeatable",
    ),
    code_path: CodeOption = None,
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and POST /annotate for programs.

    Works with any spaCy pipeline. Probabilities, thresholds and candidates need a bilstm_crf_ner or
    bilstm_crf_spans component. SIGTERM and Ctrl-C stop the server once accepted requests are
    answered.
    """
    from ..workflows.serve import serve

    serve(
        pipeline,
        host=host,
        port=port,
        threshold=threshold,
        workers=workers,
        batch_size=batch_size,
        max_texts=max_texts,
        max_characters=max_characters,
        max_waiting=max_waiting,
        queue_timeout=queue_timeout,
        grace=grace,
        allowed_hosts=allowed_hosts or (),
        code=code_path,
        on_loading=lambda name: _say(msg.info, f"Loading {name}"),
        on_listening=lambda address: _say(msg.good, f"{address}  (Ctrl-C to end)"),
    )


def _say(how: Callable[[str], None], line: str) -> None:
    how(line)
    sys.stdout.flush()  # where there is no terminal, Python keeps lines back
