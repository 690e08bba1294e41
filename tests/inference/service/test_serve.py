"""The command: it starts, ends cleanly, and says what is wrong."""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import psutil
import pytest

from spacy_bilstm_crf import workflows
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.service import bound, own_names
from spacy_bilstm_crf.inference.service.metrics import PREFIX
from spacy_bilstm_crf.inference.service.server import Supervisor
from tests.helpers import make_nlp, spacy_command
from tests.inference.service import service
from tests.inference.service.service import HEAD, SECONDS, process, wait_for
from tests.systems import SIGNALS

CODE = Path(service.__file__)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A pipeline that takes a tenth of a second for a text."""
    path = tmp_path_factory.mktemp("slow") / "model"
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 0.1})
    nlp.to_disk(path)
    return path


def serve(*arguments):
    return spacy_command("bilstm-crf", "serve", *arguments, exit_codes=(1,))


@SIGNALS
@pytest.mark.slow  # starts processes that load pipelines
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_at_the_end_all_that_was_accepted_is_answered(workers, number, slow, tmp_path):
    options = ("--code", CODE, "--workers", workers, "--batch-size", 1)
    n = 40
    with (
        process(slow, tmp_path / "log", *options) as (served, client),
        ThreadPoolExecutor(n) as pool,
    ):
        answers = [pool.submit(ask, client, [f"text {i}"]) for i in range(n)]
        wait_for(lambda: n_waiting(client) + number_in(client, f"{PREFIX}_requests_total") == n)
        assert n_waiting(client) > 2 * workers  # more than are at work
        served.send_signal(number)
        assert [answer.result().status_code for answer in answers] == [200] * n
        assert served.wait(60) == 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log and "text 1" not in log


def ask(client, texts):
    return client.post("/annotate", json={"texts": texts})


def n_waiting(client):
    return number_in(client, f"{PREFIX}_waiting_requests")


def number_in(client, name):
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.slow  # starts a process that loads a pipeline
def test_it_says_what_it_does_before_it_listens(folder, tmp_path):
    log = tmp_path / "log"
    with process(folder, log):  # which does not print to a terminal
        loading, listening = log.read_text().splitlines()[:2]
        assert f"Loading {folder}" in loading and "http://127.0.0.1:" in listening


@pytest.mark.slow  # starts processes that load pipelines
def test_two_workers_count_together(folder, tmp_path):
    with process(folder, tmp_path / "log", "--workers", 2, "--threshold", 0.25) as (_, client):
        assert client.get("/labels").json()["threshold"] == 0.25
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(lambda i: ask(client, [f"I like London {i}."] * 2), range(100))
            assert {answer.status_code for answer in answers} == {200}
        assert number_in(client, f"{PREFIX}_texts_total") == 200


@pytest.mark.slow  # starts processes that load pipelines
def test_a_worker_that_is_killed_is_replaced_and_waits_no_more(slow, tmp_path):
    options = ("--code", CODE, "--workers", 2)
    with (
        process(slow, tmp_path / "log", *options) as (served, client),
        ThreadPoolExecutor(8) as pool,
    ):
        workers = workers_of(served)
        answers = [pool.submit(ask, client, [f"text {i}"] * 5) for i in range(8)]
        wait_for(lambda: n_waiting(client) == 8)
        workers[0].kill()
        wait_for(lambda: len(set(workers_of(served)) - set(workers)) == 1)
        wait_for(lambda: all(answer.done() for answer in answers))
        wait_for(lambda: n_waiting(client) == 0)
        assert ask(client, ["once more"]).status_code == 200


@SIGNALS
@pytest.mark.slow  # starts processes that load pipelines
def test_it_ends_while_it_replaces_its_workers(tmp_path):
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 600.0})
    nlp.to_disk(tmp_path / "slow")
    options = ("--code", CODE, "--workers", 2, "--grace", 5)
    with (
        process(tmp_path / "slow", tmp_path / "log", *options) as (served, client),
        ThreadPoolExecutor(2) as pool,
    ):
        workers = workers_of(served)
        asked = [pool.submit(ask, client, ["a"]) for _ in range(2)]
        wait_for(lambda: n_waiting(client) == 2)
        served.send_signal(signal.SIGHUP)
        wait_for(lambda: set(workers_of(served)) - set(workers))
        served.send_signal(signal.SIGTERM)
        assert served.wait(SECONDS) == 0
        assert all(answer.exception() or answer.result().is_error for answer in asked)
    assert not any(worker.is_running() for worker in workers)
    # It would go on to the second worker
    assert (tmp_path / "log").read_text().count("Started server process") <= len(workers) + 1


@pytest.mark.parametrize("system", [sys.platform, "win32"])
def test_workers_are_told_to_end_but_not_killed(system, monkeypatch):
    """On Windows SIGTERM would end them with requests that have no answer."""
    told = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "kill", lambda *given: told.append(given))
    supervisor = Supervisor.__new__(Supervisor)
    supervisor.should_exit = threading.Event()
    supervisor.processes = [SimpleNamespace(pid=number) for number in (None, 7)]
    supervisor._ends = SimpleQueue()
    supervisor._ends.put(signal.SIGTERM)
    supervisor._end()
    assert supervisor.should_exit.is_set()
    assert told == ([] if system == "win32" else [(7, signal.SIGTERM)])


@pytest.mark.slow  # starts processes that load pipelines
def test_workers_end_with_the_process_that_started_them(slow, tmp_path):
    options = ("--code", CODE, "--workers", 2)
    with process(slow, tmp_path / "log", *options) as (served, _):
        workers = workers_of(served)
        assert len(workers) == 2
        served.kill()
        wait_for(lambda: not any(worker.is_running() for worker in workers))


def workers_of(served):
    """The processes that serve. uvicorn has another child that looks after shared memory."""
    children = psutil.Process(served.pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


@SIGNALS
@pytest.mark.slow  # starts a process that loads a pipeline
def test_a_client_that_reads_nothing_does_not_hold_up_the_end(folder, tmp_path):
    body = json.dumps({"texts": ["I like London. "] * 250, "k_best": 20}).encode()
    with (
        process(folder, tmp_path / "log", "--grace", 1) as (served, client),
        socket.socket() as deaf,
    ):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((client.base_url.host, client.base_url.port))
        deaf.sendall(HEAD % len(body) + body)
        wait_for(lambda: number_in(client, f"{PREFIX}_texts_total") == 250)
        served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0


@SIGNALS
@pytest.mark.slow  # starts a process that loads a pipeline
@pytest.mark.parametrize("workers", [1, 2])
def test_the_end_does_not_wait_longer_than_it_was_told(workers, tmp_path):
    """Not even for a batch that is being predicted."""
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 60.0})
    nlp.to_disk(tmp_path / "slow")
    options = ("--code", CODE, "--grace", 1, "--workers", workers)
    with (
        process(tmp_path / "slow", tmp_path / "log", *options) as (served, client),
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(ask, client, ["a"]) for _ in range(2)]
        wait_for(lambda: n_waiting(client) == 2)
        served.send_signal(signal.SIGTERM)
        assert served.wait(30) == 0
        assert all(answer.exception() or answer.result().is_error for answer in answers)


@pytest.mark.slow  # starts a process that loads a pipeline
@pytest.mark.skipif(sys.platform != "linux", reason="sets the limit of another process")
def test_more_connections_than_files_may_be_open_are_said_once(folder, tmp_path):
    """It was 2,048 tracebacks a second, for as long as the clients stayed."""
    import resource

    log = tmp_path / "log"
    with process(folder, log) as (served, client):
        most = psutil.Process(served.pid).num_fds() + 20
        resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (most, most))
        address = client.base_url.host, client.base_url.port
        idle = [socket.create_connection(address, timeout=SECONDS) for _ in range(60)]
        wait_for(lambda: "ulimit -n" in log.read_text())
        time.sleep(3)  # asyncio tries again each second
        for connection in idle:
            connection.close()
        wait_for(lambda: service.is_up(client))
    text = log.read_text()
    assert text.count("ulimit -n") == 1 and "Traceback" not in text


def test_a_full_disk_for_the_metrics_of_workers_is_said(folder, monkeypatch):
    """A worker that can't write its metrics dies without a word, and so does the next one."""
    full = shutil.disk_usage("/")._replace(free=1 << 20)
    monkeypatch.setattr(
        "spacy_bilstm_crf.inference.service.server.shutil.disk_usage", lambda _: full
    )
    with pytest.raises(UserError, match="full, where workers keep their metrics"):
        workflows.serve(folder, workers=2, port=0)


def test_no_answer_waits_for_the_client_to_say_that_its_headers_have_come():
    with bound("127.0.0.1", 0) as listening:
        client = socket.create_connection(listening.getsockname())
        connection, _ = listening.accept()
        with client, connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_names_by_which_it_may_be_called():
    assert own_names("127.0.0.1") == ["localhost", "127.0.0.1", "[::1]"]
    assert own_names("192.0.2.7")[3:] == ["192.0.2.7"]
    assert socket.gethostname() in own_names("0.0.0.0")


@pytest.mark.slow  # starts a process that loads a pipeline
@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_called_by_its_own_names_and_those_that_are_allowed(workers, folder, tmp_path):
    options = ("--workers", workers, "--allowed-host", "a.example.com", "--allowed-host", "b.org")
    with process(folder, tmp_path / "log", *options) as (_, client):
        for name in ("localhost", "127.0.0.1", "[::1]", "a.example.com", "b.org:8080"):
            assert client.get("/labels", headers={"Host": name}).status_code == 200
        assert client.get("/labels", headers={"Host": "example.com"}).status_code == 400


def test_mistakes_are_said_in_one_line(folder, tmp_path):
    stock = tmp_path / "stock"
    make_nlp("ner").to_disk(stock)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, words in [
            ((tmp_path / "nothing",), "no pipeline"),
            ((folder, "--threshold", 2), "Invalid value for '--threshold' / '-t'"),
            ((stock, "--threshold", 0.5), "no bilstm_crf_ner or bilstm_crf_spans component"),
            ((folder, "--port", port), f"port {port}"),
            ((folder, "--port", 70000), "Invalid value for '--port' / '-p'"),
            ((folder, "--workers", 0), "Invalid value for '--workers' / '-w'"),
            ((folder, "--host", "no.such.host.invalid"), "no.such.host.invalid"),
            ((folder, "--max-texts", 0), "Invalid value for '--max-texts'"),
            ((folder, "--code", tmp_path / "none.py"), "--code"),
            ((folder, "--allowed-host", "http://a.org"), "allowed_hosts http://a.org: give a host"),
            ((folder, "--allowed-host", "a.org:80"), "allowed_hosts a.org:80"),
            ((folder, "--allowed-host", "a.*"), "allowed_hosts a.*"),
        ]:
            (line,) = [x for x in serve(*arguments).splitlines() if x.startswith("Error")]
            assert words in line
