"""`serve`: the pipeline as an HTTP service, with a page to try it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer import Option
from wasabi import msg

from ..common.errors import UserError
from .app import bilstm_crf_cli
from .options import BatchSizeOption, CodeOption, ComponentOption, PipelineArgument


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
    label_studio: Path | None = Option(
        None,
        "--label-studio",
        metavar="FOLDER",
        help="Be a model for a project of Label Studio; its annotations and new versions of the "
        "pipeline are kept in this folder",
    ),
    inception: Path | None = Option(
        None,
        "--inception",
        metavar="FOLDER",
        help="Be a recommender for a layer of a project of INCEpTION; its annotations and new "
        "versions of the pipeline are kept in this folder",
    ),
    train_after: int | None = Option(
        None,
        min=0,
        help="With --label-studio or --inception: changes that start a training; 0 for none. "
        "Default: 20 for Label Studio, 1 for INCEpTION",
    ),
    candidates: float | None = Option(
        None,
        min=0,
        max=1,
        help="With --label-studio: also show candidates that are at least so probable",
    ),
    candidates_control: str | None = Option(
        None,
        help="With --label-studio: name of the <Labels> for candidates. Default: candidates",
    ),
    unfinished: str | None = Option(
        None,
        help="With --label-studio: the choice that marks a task as half done, so that what is not "
        "marked in it is taken as not annotated",
    ),
    finished: bool = Option(
        False,
        "--finished",
        help="With --inception: it sends finished documents only, so that a sentence without an "
        "annotation has no entity",
    ),
    component: ComponentOption = "ner",
    old_data: Path | None = Option(
        None,
        exists=True,
        help="With --label-studio or --inception: annotated data (.spacy) to learn from as well, "
        "such as those that the pipeline was trained on",
    ),
    dev: Path | None = Option(
        None,
        "--dev",
        "-d",
        exists=True,
        help="With --label-studio or --inception: annotated data (.spacy) to choose the model by. "
        "Default: a tenth of what was annotated and of the old data",
    ),
    max_steps: int | None = Option(
        None,
        min=1,
        help="With --label-studio or --inception: maximum number of training steps. Default: that "
        "of the pipeline's own training",
    ),
) -> None:
    """Serve a pipeline over HTTP: a page to try it, and POST /annotate for programs.

    Works with any spaCy pipeline. Probabilities, thresholds and candidates need a bilstm_crf_ner or
    bilstm_crf_spans component. SIGTERM and Ctrl-C stop the server once accepted requests are
    answered. With --label-studio it has the routes of Label Studio's ML backends, too, and with
    --inception those of INCEpTION's external recommenders.
    """
    learning = {
        "train_after": train_after,
        "component": None if component == "ner" else component,
        "old_data": old_data,
        "dev": dev,
        "max_steps": max_steps,
    }
    of_label_studio = {
        "candidates": candidates,
        "candidates_control": candidates_control,
        "unfinished": unfinished,
    }
    of_inception = {"finished": finished or None}
    service: dict[str, Any] = {
        "host": host,
        "port": port,
        "threshold": threshold,
        "workers": workers,
        "batch_size": batch_size,
        "max_texts": max_texts,
        "max_characters": max_characters,
        "max_waiting": max_waiting,
        "queue_timeout": queue_timeout,
        "grace": grace,
        "allowed_hosts": allowed_hosts or (),
        "code": code_path,
        "on_loading": lambda name: _say(msg.info, f"Loading {name}"),
        "on_listening": lambda address: _say(msg.good, f"{address}  (Ctrl-C to end)"),
    }
    if label_studio is not None and inception is not None:
        raise UserError("--label-studio and --inception: a service is for one of them.")
    if label_studio is not None:
        _refuse("--inception FOLDER", of_inception)
        from ..integrations.label_studio import serve_label_studio

        given = _given({**learning, **of_label_studio})
        serve_label_studio(pipeline, label_studio, **given, **service)
        return
    _refuse("--label-studio FOLDER", of_label_studio)
    if inception is not None:
        from ..integrations.inception import serve_inception

        given = _given({**learning, **of_inception})
        serve_inception(pipeline, inception, **given, **service)
        return
    _refuse("--inception FOLDER", of_inception)
    _refuse("--label-studio FOLDER or --inception FOLDER", learning)
    from ..workflows.serve import serve

    serve(pipeline, **service)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse(needed: str, options: dict[str, Any]) -> None:
    for name in _given(options):
        raise UserError(f"--{name.replace('_', '-')} needs {needed}.")


def _say(how: Callable[[str], None], line: str) -> None:
    how(line)
    sys.stdout.flush()  # where there is no terminal, Python keeps lines back
