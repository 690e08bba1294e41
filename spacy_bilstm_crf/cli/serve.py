"""`serve`: the pipeline as an HTTP service, with a page to try it."""

from typing import Annotated

from typer import Option
from wasabi import msg

from .app import bilstm_crf_cli
from .options import BatchSizeOption, CodeOption, PipelineArgument

HostOption = Annotated[str, Option("--host", "-h", help="Address to listen on; 0.0.0.0 for all")]
PortOption = Annotated[
    int, Option("--port", "-p", min=0, max=65535, help="Port to listen on; 0 for any free one")
]
RequestThresholdOption = Annotated[
    float | None,
    Option("--threshold", "-t", min=0, max=1, help="Threshold for requests that don't set one"),
]
WorkersOption = Annotated[
    int,
    Option("--workers", "-w", min=1, max=1000, help="Number of processes. Each loads the pipeline"),
]
MaxTextsOption = Annotated[
    int, Option("--max-texts", min=1, help="Maximum number of texts per request")
]
MaxCharactersOption = Annotated[
    int,
    Option(
        "--max-characters", min=1, help="Maximum number of characters of all texts of a request"
    ),
]
MaxWaitingOption = Annotated[
    int,
    Option(
        "--max-waiting",
        min=1,
        help="Maximum number of waiting requests per process; further ones get a 503",
    ),
]
GraceOption = Annotated[
    int, Option("--grace", min=0, help="Seconds to finish accepted requests on shutdown")
]


@bilstm_crf_cli.command("serve")
def serve_cli(
    pipeline: PipelineArgument,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    threshold: RequestThresholdOption = None,
    workers: WorkersOption = 1,
    batch_size: BatchSizeOption = 64,
    max_texts: MaxTextsOption = 256,
    max_characters: MaxCharactersOption = 100_000,
    max_waiting: MaxWaitingOption = 1000,
    grace: GraceOption = 60,
    code_path: CodeOption = None,
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and POST /annotate for programs.

    Works with any spaCy pipeline. Probabilities, thresholds and candidates need a bilstm_crf_ner
    component. SIGTERM and Ctrl-C stop the server once accepted requests are answered.
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
