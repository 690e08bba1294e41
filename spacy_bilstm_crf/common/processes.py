"""Processes: workers that end with the process that started them, and threads of one."""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable

POLL = 0.5  # seconds
_SYNCHRONIZE, _ACCESS_DENIED, _WAIT_TIMEOUT = 0x100000, 5, 0x102  # of Windows


def is_running(pid: int) -> bool:
    """Tell whether a process of this machine is running.

    Args:
        pid: Its number.
    """
    if sys.platform == "win32":  # where `os.kill(pid, 0)` is Ctrl-C
        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not process:
            return kernel.GetLastError() == _ACCESS_DENIED
        try:
            return kernel.WaitForSingleObject(process, 0) == _WAIT_TIMEOUT
        finally:
            kernel.CloseHandle(process)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def end_with_parent(parent: int, end: Callable[[], None]) -> None:
    """Call `end` as soon as the process that started this one is gone.

    A process that is killed can't end its workers, and nobody else would.

    Args:
        parent: Number of the process that started this one.
        end: Ends this process. It is called in a thread.
    """

    threading.Thread(target=_wait_and_end, args=(parent, end), daemon=True).start()


def _wait_and_end(parent: int, end: Callable[[], None]) -> None:
    while _is_parent(parent):
        time.sleep(POLL)
    end()


def _is_parent(pid: int) -> bool:
    """Tell whether a process that started this one is still there.

    Windows does not forget a parent that is gone, and in a virtual environment there is another
    process between the two.
    """
    return is_running(pid) if sys.platform == "win32" else os.getppid() == pid


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
