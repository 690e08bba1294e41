"""Worker processes that end with the process that started them, however that ends."""

import os
import threading
import time
from typing import Callable

POLL = 0.5  # seconds


def end_with(parent: int, end: Callable[[], None]) -> None:
    """Watch a process from a thread, and end this one when it is gone.

    One that is killed can't end its workers, and nobody else would.

    Args:
        parent: The process that started this one.
        end: Ends this one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        end()

    threading.Thread(target=watch, daemon=True).start()
