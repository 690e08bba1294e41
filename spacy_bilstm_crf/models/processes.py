"""torch in child processes, such as the workers of `nlp.pipe(n_process=...)`."""

import multiprocessing
import os
from functools import cache

from thinc.compat import torch


@cache
def use_one_thread_in_children() -> None:
    """Limit torch to one thread in child processes. Further calls do nothing.

    A fork does not copy torch's thread pool, and using the pool then hangs, whatever forked the
    process: gunicorn, celery or `multiprocessing`. So the limit is set at the fork. A spawned
    worker has a pool, but several processes with a thread per core would slow one another down.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=_use_one_thread)
    if multiprocessing.parent_process() is not None:
        _use_one_thread()


def _use_one_thread() -> None:
    torch.set_num_threads(1)
