"""`serve`: the pipeline as an HTTP service, with a page to try it."""

from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError, check_installed
from ..common.pipelines import check_code, import_code, load_pipeline
from .app import MOST, bilstm_crf_cli, check_number, check_probability, fails_in_one_line

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..inference.service import ServerSettings

MOST_WORKERS = 1000
MOST_PORT = 65535


@bilstm_crf_cli.command("serve")
def serve_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    host: str = Option("127.0.0.1", "--host", "-h", help="Address to listen on; 0.0.0.0 for all"),
    port: int = Option(8080, "--port", "-p", help="Port to listen on; 0 for any that is free"),
    threshold: float | None = Option(
        None, "--threshold", "-t", help="Of requests that name none, in place of the component's"
    ),
    workers: int = Option(1, "--workers", "-w", help="Processes. Each loads the pipeline"),
    batch_size: int = Option(
        64, "--batch-size", "-n", help="Texts of several requests that are predicted together"
    ),
    max_texts: int = Option(256, "--max-texts", help="Texts in a request"),
    max_characters: int = Option(
        100_000, "--max-characters", help="Characters of all texts of a request together"
    ),
    max_waiting: int = Option(
        1000, "--max-waiting", help="Requests of a process that wait; more get status 503"
    ),
    grace: int = Option(60, "--grace", help="Seconds for what is to be answered at the end"),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the pipeline needs"
    ),
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and POST /annotate for programs.

    Any spaCy pipeline will do. Probabilities, thresholds and candidates are there where it has a
    bilstm_crf_ner component. SIGTERM and Ctrl-C end it, after the requests that it has accepted.
    """
    with fails_in_one_line():
        for option, value, least, most in (
            ("--port", port, 0, MOST_PORT),
            ("--workers", workers, 1, MOST_WORKERS),
            ("--batch-size", batch_size, 1, MOST),
            ("--max-texts", max_texts, 1, MOST),
            ("--max-characters", max_characters, 1, MOST),
            ("--max-waiting", max_waiting, 1, MOST),
            ("--grace", grace, 0, MOST),
        ):
            check_number(option, value, least, most)
        check_probability("--threshold", threshold)
        check_code(code_path)
        check_installed("serve", "fastapi", "uvicorn", "prometheus_client")
        from ..inference.service import Limits, ServerSettings

        limits = Limits(max_texts, max_characters, max_waiting)
        code = None if code_path is None else str(code_path.resolve())
        settings = ServerSettings(pipeline, threshold, limits, batch_size, code)
        _serve(settings, host, port, workers, grace)


def _serve(settings: "ServerSettings", host: str, port: int, workers: int, grace: int) -> None:
    """Load, listen, and say where.

    Raises:
        UserError: If the pipeline can't be served, or not there.
    """
    from ..inference.service import app_of, bound, serve

    import_code(None if settings.code is None else Path(settings.code))
    app: FastAPI | None
    try:
        app = app_of(load_pipeline(settings.pipeline), settings)
        listening = bound(host, port)
    except ValueError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        why, _, _ = str(error.strerror).partition(" (while")  # where is said already
        raise UserError(f"Can't listen on {host}, port {port}: {why}.") from error
    if workers > 1:
        app = None  # each loads its own pipeline, and this process needs none
    with listening:
        address = f"[{host}]" if ":" in host else host
        msg.good(f"http://{address}:{listening.getsockname()[1]}  (Ctrl-C to end)")
        serve(app, settings, listening, workers, grace)
