"""Processes that are there or not, as Linux and macOS tell, and as Windows does."""

import ctypes
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from spacy_bilstm_crf.common import processes
from spacy_bilstm_crf.common.processes import POLL, end_with_parent, is_running


@pytest.fixture
def ended():
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def forbidden(*_):
    raise AssertionError("Windows would send Ctrl-C, or end the process")


def on_windows(monkeypatch, handle=7, error=0, waited=processes._WAIT_TIMEOUT):
    """Pretend to be on Windows, with an API that answers so; returns the handles it closed."""
    closed = []
    kernel = SimpleNamespace(
        OpenProcess=lambda access, inherit, pid: handle,
        GetLastError=lambda: error,
        WaitForSingleObject=lambda process, milliseconds: waited,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(os, "kill", forbidden)
    return closed


def test_a_process_is_running_until_it_has_ended(ended):
    assert is_running(os.getpid())
    assert not is_running(ended)


def test_the_process_of_another_user_is_running(monkeypatch):
    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_running(1)


@pytest.mark.parametrize(
    "answers, expected",
    [
        ({}, True),
        ({"waited": 0}, False),  # who holds a handle can still open one that has ended
        ({"handle": 0, "error": 87}, False),
        ({"handle": 0, "error": processes._ACCESS_DENIED}, True),
    ],
)
def test_windows_is_asked_without_a_signal(answers, expected, monkeypatch):
    closed = on_windows(monkeypatch, **answers)
    assert is_running(5) is expected
    assert closed == ([] if "handle" in answers else [7])


def test_a_process_ends_once_its_parent_is_another(ended):
    orphan, child = threading.Event(), threading.Event()
    end_with_parent(ended, orphan.set)
    end_with_parent(os.getppid(), child.set)
    assert orphan.wait(20 * POLL)
    assert not child.wait(2 * POLL)


def test_on_windows_it_ends_once_the_process_is_gone_that_started_it(monkeypatch):
    on_windows(monkeypatch)
    left = [True, True, False]
    # Threads of the tests before this ask, too
    monkeypatch.setattr(processes, "is_running", lambda pid: pid != 3 or left.pop(0))
    monkeypatch.setattr(processes, "POLL", 0.0)
    monkeypatch.setattr(os, "getppid", lambda: 4)  # of the launcher of a virtual environment
    ends = threading.Event()
    processes._wait_and_end(3, ends.set)
    assert ends.is_set() and not left
