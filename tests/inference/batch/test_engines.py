"""Processes of this machine, when one of them is killed at a bad moment."""

import multiprocessing
import multiprocessing.spawn
import signal
import sys
import threading
import time
from typing import NamedTuple

import pytest

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.batch import engines
from tests.systems import SIGNALS


class Sleeps(NamedTuple):
    """Work that does nothing for a while."""

    seconds: float = 0.05

    def do(self, part):
        time.sleep(self.seconds)
        return part


def local():
    return engines.ENGINES["local"](Sleeps(), range(50), 2)


def test_killed_while_the_next_is_started(monkeypatch):
    killed = []
    prepare = multiprocessing.spawn.get_preparation_data

    def prepare_after_a_kill(name):
        for child in multiprocessing.active_children():
            child.kill()
            killed.append(child)
            child.join()
            time.sleep(0.5)  # until the pool has seen it, and closed its pipes
        return prepare(name)

    monkeypatch.setattr(multiprocessing.spawn, "get_preparation_data", prepare_after_a_kill)
    with pytest.raises(UserError, match="A worker was killed"):
        list(local())
    assert len(killed) == 1


@SIGNALS
@pytest.mark.parametrize("n", [5, 30, 80])
def test_interrupted_at_any_line_of_waiting_it_ends(n, monkeypatch):
    submit = engines._submit
    left = n

    def interrupt(frame, event, arg):
        nonlocal left
        if "concurrent/futures" not in frame.f_code.co_filename:
            return None
        left -= event == "line"
        if not left:
            sys.settrace(None)
            raise KeyboardInterrupt
        return interrupt

    def submit_and_trace(*arguments):
        found = submit(*arguments)
        sys.settrace(interrupt)
        return found

    def give_up(*_):
        raise TimeoutError

    monkeypatch.setattr(engines, "_submit", submit_and_trace)
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(100)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(local())
        assert not multiprocessing.active_children()
    finally:
        sys.settrace(None)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("can_block", [hasattr(signal, "pthread_sigmask"), False])
def test_an_interrupt_waits_for_the_end_of_a_block(can_block, monkeypatch):
    """Windows can't block signals, but has handlers."""
    if not can_block:
        monkeypatch.delattr(signal, "pthread_sigmask", raising=False)
    # What a shell starts in the background ignores it
    before, done = signal.signal(signal.SIGINT, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), engines._no_interrupts():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")
        assert done
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


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
