"""`serve`: the pipeline as an HTTP service, with a page to try it."""

from typing import Annotated

from typer import Option
from wasabi import msg

from .app import bilstm_crf_cli
from .options import CodeOption, PipelineArgument


@bilstm_crf_cli.command("serve")
def serve_cli(
    pipeline: PipelineArgument,
    host: Annotated[
        str, Option("--host", "-h", help="Address to listen on; 0.0.0.0 for all")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        Option("--port", "-p", min=0, max=65535, help="Port to listen on; 0 for any that is free"),
    ] = 8080,
    threshold: Annotated[
        float | None,
        Option(
            "--threshold",
            "-t",
            min=0.0,
            max=1.0,
            help="For requests that name none, in place of the component's",
        ),
    ] = None,
    workers: Annotated[
        int,
        Option(
            "--workers", "-w", min=1, max=1000, help="Number of processes. Each loads the pipeline"
        ),
    ] = 1,
    batch_size: Annotated[
        int,
        Option(
            "--batch-size",
            "-n",
            min=1,
            help="Most texts of several requests that are predicted together",
        ),
    ] = 64,
    max_texts: Annotated[int, Option("--max-texts", min=1, help="Most texts of a request")] = 256,
    max_characters: Annotated[
        int,
        Option("--max-characters", min=1, help="Most characters of all texts of a request"),
    ] = 100_000,
    max_waiting: Annotated[
        int,
        Option(
            "--max-waiting",
            min=1,
            help="Most requests that wait for a process; more get status 503",
        ),
    ] = 1000,
    grace: Annotated[
        int, Option("--grace", min=0, help="Seconds for what is to be answered at the end")
    ] = 60,
    code_path: CodeOption = None,
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and POST /annotate for programs.

    Any spaCy pipeline will do. Probabilities, thresholds and candidates are there where it has a
    bilstm_crf_ner component. SIGTERM and Ctrl-C end it, after the requests that it has accepted.
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
        grace=grace,
        code=code_path,
        on_listening=lambda address: msg.good(f"{address}  (Ctrl-C to end)"),
    )
