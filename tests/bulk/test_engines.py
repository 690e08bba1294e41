"""Processes of this machine, when one of them is killed at a bad moment."""

import multiprocessing
import multiprocessing.spawn
import os
import signal
import threading
import time
from typing import NamedTuple

import pytest

from spacy_bilstm_crf.bulk import ENGINES, RunError


class Sleeps(NamedTuple):
    """Work that does nothing for a while."""

    seconds: float = 0.05

    def do(self, part):
        time.sleep(self.seconds)
        return part


def local():
    return ENGINES["local"](Sleeps(), range(50), 2)


def test_killed_while_the_next_is_started(monkeypatch):
    killed = []
    prepare = multiprocessing.spawn.get_preparation_data

    def prepare_after_a_kill(name):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child)
            child.join()
            time.sleep(0.5)  # until the pool has seen it, and closed its pipes
        return prepare(name)

    monkeypatch.setattr(multiprocessing.spawn, "get_preparation_data", prepare_after_a_kill)
    with pytest.raises(RunError, match="A worker was killed"):
        list(local())
    assert len(killed) == 1


def test_nothing_of_it_is_left_and_others_go_on():
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    other.start()
    threads = set(threading.enumerate())
    try:
        annotated = local()
        next(annotated)
        annotated.close()  # who asks for parts stops
        assert multiprocessing.active_children() == [other]
        assert set(threading.enumerate()) <= threads
        assert other.is_alive()
    finally:
        other.terminate()
        other.join()
