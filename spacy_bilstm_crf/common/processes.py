"""Processes: workers that end with the process that started them, and threads of one."""

import os
import threading
import time
from collections.abc import Callable

POLL = 0.5  # seconds


def end_with_parent(parent: int, end: Callable[[], None]) -> None:
    """Call `end` as soon as the process that started this one is gone.

    A process that is killed can't end its workers, and nobody else would.

    Args:
        parent: Number of the process that started this one.
        end: Ends this process. It is called in a thread.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        end()

    threading.Thread(target=watch, daemon=True).start()


def use_one_thread() -> None:
    """Limit torch to one thread in this process, where it is installed.

    Processes that share the cores would otherwise have a thread per core each, and threads that
    wait for one another are slower than one.
    """
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)
