"""The app on a socket, in one process or several, until SIGTERM."""

import inspect
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI
from spacy.language import Language
from uvicorn.supervisors import Multiprocess

from ...common.errors import UserError
from ...common.pipelines import check_components, import_code, load_pipeline
from ...common.processes import end_with_parent, use_one_thread
from ..recognizers import components_with_crf, require_crf
from .app import BATCH_SIZE, Extension, make_app
from .body import Limits
from .metrics import SHARED_FOLDER

# Seconds within which a worker has to respond: a long text blocks it for some of them
HEALTHY = 60
BACKLOG = 2048  # connections that wait to be accepted
ENDS = (signal.SIGTERM, signal.SIGINT)
# Of the three files in which a worker keeps its numbers. Without them it gets SIGBUS
BYTES_OF_METRICS = 3 << 20
SECONDS_BETWEEN = 60  # what is said about connections
# Environment variable that tells workers what to serve
SETTINGS = "SPACY_BILSTM_CRF_SERVE"


class ServerSettings(NamedTuple):
    """What a process needs to know to serve.

    Attributes:
        pipeline: A folder, or the name of an installed package.
        threshold: In place of the component's own, if given.
        limits: What one request may take.
        batch_size: Texts that are predicted together, at most.
        code: Python file with registered functions that the pipeline needs.
        allowed_hosts: Host names that requests may name.
    """

    pipeline: str
    threshold: float | None = None
    limits: Limits = Limits()
    batch_size: int = BATCH_SIZE
    code: str | None = None
    allowed_hosts: Sequence[str] = ("*",)


def app_of(nlp: Language, settings: ServerSettings, extension: Extension | None = None) -> FastAPI:
    """Make the app for a pipeline that is loaded.

    Args:
        nlp: The pipeline.
        settings: How to serve it.
        extension: Adds further routes.

    Raises:
        UserError: If the pipeline has no components, or a threshold is given and it knows no
            probabilities.
    """
    logging.getLogger("asyncio").addFilter(_SaysOnce())
    check_components(nlp, settings.pipeline)
    use_one_thread()
    set_thresholds(nlp, settings.pipeline, settings.threshold)
    return make_app(nlp, settings.limits, settings.batch_size, settings.allowed_hosts, extension)


def set_thresholds(nlp: Language, name: str, threshold: float | None) -> None:
    """Set the threshold of all components that have one; None leaves them as they are.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        threshold: The threshold.

    Raises:
        UserError: If a threshold is given, and the pipeline knows no probabilities.
    """
    if threshold is not None:
        require_crf(nlp, name, "threshold")
        for component in components_with_crf(nlp):
            component.threshold = threshold


class _SaysOnce(logging.Filter):
    """Says once a minute that no more connections fit, in place of 2,048 tracebacks a second."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a record."""
        if "socket.accept() out of system resource" not in record.getMessage():
            return True
        record.msg = (
            "There are as many connections as files may be open (ulimit -n). Others wait until "
            "some are closed."
        )
        record.args = record.exc_info = None
        now, due = time.monotonic(), self._next
        if now < due:
            return False
        self._next = now + SECONDS_BETWEEN
        return True


def app_of_worker() -> FastAPI:
    """Make the app of a worker process."""
    parent, given = json.loads(os.environ[SETTINGS])
    end_with_parent(parent, lambda: signal.raise_signal(signal.SIGTERM))  # answers what it has
    settings = ServerSettings(**{**given, "limits": Limits(*given["limits"])})
    import_code(settings.code)
    return app_of(load_pipeline(settings.pipeline), settings)


def own_names(host: str) -> list[str]:
    """Return the names by which a service that listens on an address may be called.

    Args:
        host: The address. All addresses of this machine have names if it is 0.0.0.0 or ::.
    """
    names = ["localhost", "127.0.0.1", "::1", host]
    if host in ("0.0.0.0", "::"):
        names.append(socket.gethostname())
        try:
            found = socket.getaddrinfo(socket.gethostname(), None)
        except socket.gaierror:  # a name that nobody knows, as in some containers
            found = []
        names += [str(address[0]) for *_, address in found]
    return list(dict.fromkeys(f"[{name}]" if ":" in name else name for name in names))


def bound(host: str, port: int) -> socket.socket:
    """Make a socket that listens.

    Raises:
        OSError: If the address is taken, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it. Without it the body of each answer waits 40 ms for the client to
    # acknowledge the headers
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run_server(
    app: FastAPI | None,
    settings: ServerSettings,
    listening: socket.socket,
    workers: int,
    grace: int,
) -> None:
    """Serve until SIGTERM or Ctrl-C. Requests that were accepted are answered before the end.

    Args:
        app: See `app_of`. None for workers, which make their own.
        settings: What the app was made of.
        listening: See `bound`.
        workers: Processes, where there is no app.
        grace: Seconds for the answers at the end.
    """
    options: dict[str, Any] = {
        "server_header": False,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": grace,
        "timeout_worker_healthcheck": HEALTHY,
    }
    # uvicorn raises them again when it is done
    handlers = [signal.signal(number, lambda *_: None) for number in ENDS]
    try:
        if app is None:
            _run_workers(settings, listening, workers=workers, **options)
        else:
            uvicorn.Server(uvicorn.Config(app, **options)).run(sockets=[listening])
    finally:
        for number, handler in zip(ENDS, handlers):
            signal.signal(number, handler)


def _run_workers(settings: ServerSettings, listening: socket.socket, **options: Any) -> None:
    # On Windows a worker that was killed may hold a file for a moment longer
    with tempfile.TemporaryDirectory(prefix="metrics-", ignore_cleanup_errors=True) as folder:
        if shutil.disk_usage(folder).free < BYTES_OF_METRICS * (options["workers"] + 1):
            raise UserError(
                f"{tempfile.gettempdir()} is full, where workers keep their metrics: free some "
                f"disk space, or set TMPDIR to another folder."
            )
        os.environ[SHARED_FOLDER] = folder
        os.environ[SETTINGS] = json.dumps([os.getpid(), settings._asdict()])
        try:
            config = uvicorn.Config(f"{__name__}:{app_of_worker.__name__}", factory=True, **options)
            Supervisor.of(config, listening).run()
        finally:
            del os.environ[SHARED_FOLDER], os.environ[SETTINGS]


class Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, which ends at SIGTERM whatever it is doing.

    uvicorn's own looks for signals every now and then: not while it replaces workers at SIGHUP, or
    waits for one that does not answer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A handler of signals may interrupt whoever holds the lock of an Event, but not of this
        self._ends: SimpleQueue[int] = SimpleQueue()
        for number in ENDS:
            signal.signal(number, lambda number, _: self._ends.put(number))
        threading.Thread(target=self._end, daemon=True).start()

    @classmethod
    def of(cls, config: uvicorn.Config, listening: socket.socket) -> "Supervisor":
        """Make the supervisor of a config's workers."""
        older = "target" in inspect.signature(Multiprocess).parameters
        given = {"target": uvicorn.Server(config).run} if older else {}
        return cls(config, sockets=[listening], **given)

    def _end(self) -> None:
        self._ends.get()
        self.should_exit.set()
        if sys.platform == "win32":  # SIGTERM would kill them; uvicorn ends them in another way
            return
        for pid in [process.pid for process in self.processes]:
            with suppress(ProcessLookupError):
                if pid is not None:
                    os.kill(pid, signal.SIGTERM)
