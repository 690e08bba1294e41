"""A service on this machine's own address, in a thread of the test or a process of its own."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn
from spacy.language import Language

from spacy_bilstm_crf.inference.service import bound, make_app
from tests.helpers import ROOT

SECONDS = 120
HEAD = (
    b"POST /annotate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


@contextmanager
def running(nlp, *arguments, **settings):
    """The service of a pipeline, as a client that knows its address."""
    with served(make_app(nlp, *arguments, **settings)) as client:
        yield client


@contextmanager
def served(app):
    """Any app, as a client that knows its address."""
    with bound("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            port = listening.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(SECONDS)


@contextmanager
def process(pipeline, log, *options):
    """`serve` as a command, its client, and what it prints in a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "spacy", "bilstm-crf", "serve", str(pipeline)]
    command += ["--port", str(port), *map(str, options)]
    with log.open("w") as printed:
        served = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=printed)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
            wait_for(lambda: served.poll() is not None or is_up(client))
            assert served.poll() is None, log.read_text()
            yield served, client
    finally:
        served.kill()
        served.wait()


def is_up(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Dawdles:
    """Takes some time for each doc, stumbles over a word, and keeps what it has seen."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.texts = []

    def __call__(self, doc):
        time.sleep(self.seconds)
        self.texts.append(doc.text)
        if "stumble" in doc.text:
            raise ValueError(f"stumbled over {doc.text}")
        return doc


@Language.factory("test_dawdles_of_service", default_config={"seconds": 0.0})
def make_dawdles(nlp, name, seconds):
    return Dawdles(seconds)
