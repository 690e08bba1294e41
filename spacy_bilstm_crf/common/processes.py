"""Worker processes that end with the process that started them."""

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
