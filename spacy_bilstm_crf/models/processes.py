"""torch in processes that are forked, and in the workers of `nlp.pipe(n_process=...)`."""

import multiprocessing
import os
from functools import cache

import torch


@cache
def use_one_thread_in_children() -> None:
    """Keep torch to one thread in child processes, from now on; called again it does nothing.

    A fork does not copy torch's pool of threads, and using it then hangs, whoever asks: gunicorn,
    celery, `multiprocessing`. So the fork itself is where this is set. In a worker that was
    spawned the pool is there, but several processes with a thread for each core get in one
    another's way.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which can't fork
        os.register_at_fork(after_in_child=_use_one_thread)
    if multiprocessing.parent_process() is not None:
        _use_one_thread()


def _use_one_thread() -> None:
    torch.set_num_threads(1)
