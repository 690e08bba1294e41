"""torch in child processes, such as the workers of `nlp.pipe(n_process=...)`."""

import multiprocessing
import os
from functools import cache

from ..common.processes import use_one_thread


@cache
def use_one_thread_in_children() -> None:
    """Limit torch to one thread in child processes. Further calls do nothing.

    A fork does not copy torch's thread pool, and using the pool then hangs, whatever forked the
    process: gunicorn, celery or `multiprocessing`. So the limit is set at the fork. A spawned
    worker has a pool, but several processes with a thread per core would slow one another down.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=use_one_thread)
    if multiprocessing.parent_process() is not None:
        use_one_thread()
