"""A PostgreSQL server for a test, on loopback, that leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

SECONDS_TO_START = 30


def binaries():
    """The folder of the server's programs, off the PATH on Debian. None if there is none."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else (found[-1] if found else None)


def _as_server_user():
    """What to put before a command: the server refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@contextmanager
def server(folder):
    """Run a server with its data in the folder; gives the URL of a database."""
    programs, before = binaries(), []
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        before = _as_server_user()
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents[:-2]:  # pytest's folders are for their owner alone
            parent.chmod(parent.stat().st_mode | 0o011)
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "tuner", "--auth=trust", "--no-sync"]
    subprocess.run([*before, *initdb], check=True, capture_output=True, cwd="/")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
    log = (folder / "log").open("w")
    running = subprocess.Popen(
        [*before, programs / "postgres", *options], stdout=log, stderr=log, cwd="/"
    )
    try:
        _wait(programs, port, running)
        yield f"postgresql+psycopg://tuner@127.0.0.1:{port}/postgres"
    finally:
        running.send_signal(signal.SIGINT)  # doesn't wait for connections that are open
        running.wait()
        log.close()


def _wait(programs, port, running):
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(10 * SECONDS_TO_START):
        assert running.poll() is None, "the server ended"
        if subprocess.run(ready, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError("the server doesn't answer")
