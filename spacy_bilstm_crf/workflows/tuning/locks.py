"""Locks between processes that end with the process that has them, however that ends.

Optuna's own lock of a journal is a file that stays when its process is killed. Everybody then waits
for half a minute before they take it away.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """A lock on a file of its own. Works on network file systems that lock files, as NFS does.

    Args:
        path: The file. It is made, and stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        file = self._path.open("w")
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, or the process ends
        self._file = file
        return True

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def journal_lock(path: Path) -> Any:
    """The lock that a journal is written with."""
    from optuna.storages.journal import JournalFileOpenLock

    if fcntl is None:
        return JournalFileOpenLock(str(path))
    return FileLock(path.with_name(f".{path.name}.lock"))


@contextlib.contextmanager
def held(lock: Any) -> Iterator[None]:
    """Have a lock for a while."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
