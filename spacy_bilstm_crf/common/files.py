"""Files and folders that appear whole or not at all, and checks of where they are to go."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from uuid import uuid4

from .errors import UserError

MOST_OF_NAME = 50  # characters of a file's name that the name of its temporary file has
NEW, OLD = "new", "old"  # in the temporary folder of `save_folder`
BOM = "\ufeff"  # byte order mark, also inside of a file that was put together from several


@contextmanager
def reported_os_errors(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `UserError`.

    Args:
        path: What to name where the error itself names no file.

    Raises:
        UserError: Naming the file and what is wrong with it.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror}.") from error


@contextmanager
def written_whole(path: Path, replace: bool = True) -> Iterator[Path]:
    """Write to a temporary path that takes the place of `path` when the block ends.

    A reader sees what was there before or all of what is new. If the block raises, `path` is left
    as it was and the temporary file or folder is removed. A process that is killed leaves
    `.NAME.….partial` behind, which nobody reads.

    Args:
        path: The file, or the folder, to write. Its parent folder must exist.
        replace: Whether to replace what is there when the block ends.

    Yields:
        The path to write to, beside `path`. No other process or thread has the same.

    Raises:
        UserError: If something is there that may not be replaced.
    """
    # Another thread, process or machine may be writing the same file. Names have 255 bytes at most
    partial = path.with_name(f".{path.name[:MOST_OF_NAME]}.{uuid4().hex}.partial")
    try:
        yield partial
        if not replace:
            _put_where_nothing_is(partial, path)
        else:
            if partial.is_dir():
                remove(path)  # a folder can't be renamed onto another
            partial.replace(path)
    finally:
        remove(partial)


def _put_where_nothing_is(partial: Path, path: Path) -> None:
    """Rename a file or folder, unless another process has written to the same path meanwhile."""
    try:
        if partial.is_dir() or not _linked(partial, path):
            if path.exists():
                raise FileExistsError
            partial.rename(path)
    except OSError as error:
        if not path.exists():
            raise
        raise UserError(
            f"{path} was written meanwhile, by something else, and is as it was. Replace it with "
            f"--force, or name another."
        ) from error


def _linked(partial: Path, path: Path) -> bool:
    """Give a file a second name, in one step that fails if the name is taken.

    Returns:
        Whether the file system knows second names.
    """
    try:
        os.link(partial, path)
        return True
    except FileExistsError:
        raise
    except OSError:
        return False


def files_below(folder: Path) -> list[Path]:
    """List the files in a folder and its subfolders, in order. Links to folders are followed.

    Args:
        folder: The folder.

    Raises:
        OSError: If one of the folders can't be read.
    """
    return sorted(_files_below(folder, frozenset()))


def _files_below(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    here = folder.resolve()
    if here in above:  # a link to a folder that it is in itself
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files_below(path, above | {here})
        else:
            yield path


def check_regular(path: Path) -> None:
    """Check that a path is no pipe or device, of which the second reading finds nothing.

    Raises:
        UserError: If it is.
        OSError: If there is nothing, such as behind a link.
    """
    path.stat()
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is a pipe or a device: write what comes from it to a file first.")


def stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes with a file: its size in bytes, and two times of change in nanoseconds.

    The first time can be set. The second can't, but changes when a file is copied, too.
    """
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees what was there before or all of what is new.

    Args:
        path: The file. Its folder must exist.
        content: Bytes, or text to be written in UTF-8.
    """
    with written_whole(path) as partial:
        partial.write_bytes(content.encode("utf8") if isinstance(content, str) else content)


def write_files(folder: str | Path, contents: Mapping[str, str]) -> None:
    """Write files to a folder, over those that are there.

    Args:
        folder: The folder, which is made if it does not exist.
        contents: The content of each file by its name.

    Raises:
        UserError: If they can't be written.
    """
    folder = Path(folder)
    check_folder(folder)
    with reported_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)


def remove(path: Path) -> None:
    """Remove a file, or a folder and what it holds. Nothing happens if there is none."""
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


def save_folder(to_disk: Callable[[Path], object], output: Path) -> None:
    """Save a folder beside the output, then exchange the two.

    A process that is killed or runs out of disk space leaves the old folder as it was. What a
    killed one has left beside it is removed the next time.

    Args:
        to_disk: Saves to a folder that does not exist yet, as `nlp.to_disk` does.
        output: The folder, which takes the place of one that exists.

    Raises:
        UserError: If it can't be written. What was there is unchanged then.
    """
    output = output.resolve()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(output)
        with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
            lock = _lock(Path(temporary))
            try:
                _save(to_disk, output, Path(temporary) / NEW, Path(temporary) / OLD)
            finally:
                _unlock(lock)
    except OSError as error:
        raise UserError(
            f"Can't save to {output}: {error.strerror or error}. Existing files are unchanged. "
            f"Free some disk space, or name another folder with --output."
        ) from error


def _save(to_disk: Callable[[Path], object], output: Path, new: Path, old: Path) -> None:
    to_disk(new)
    if not output.exists():
        new.rename(output)
    elif not _exchange(new, output):
        output.rename(old)
        new.rename(output)


def _remove_left_over(output: Path) -> None:
    """Remove what killed processes have left of saving a folder, which nobody holds a lock on."""
    for folder in output.parent.iterdir():
        prefix, _, rest = folder.name.rpartition("-")
        if prefix != f".{output.name}" or len(rest) != 8 or not folder.is_dir():
            continue
        names = {path.name for path in folder.iterdir()}
        # Without the output, the old one may be all that there is
        if names and names <= {NEW, OLD} and (output.exists() or OLD not in names):
            lock = _lock(folder)
            if lock is not None:
                rmtree(folder, ignore_errors=True)
            _unlock(lock)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that do the same out of a folder during the block.

    The lock ends with the process. Windows and some network file systems have none for folders;
    nobody is kept out there.

    Args:
        folder: The folder, which must exist.

    Raises:
        UserError: If another process has locked it.
    """
    lock = None
    try:
        lock = _lock(folder, refuse=True)
        yield
    finally:
        _unlock(lock)


def _lock(folder: Path, refuse: bool = False) -> int | None:
    """Lock a folder until `_unlock` or the end of the process.

    Args:
        folder: The folder.
        refuse: Whether to raise an error if another process has a lock.

    Returns:
        A file descriptor; None if another process has a lock, or the system knows none of folders.

    Raises:
        UserError: If another process has a lock and `refuse` is set.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except OSError as error:
        os.close(descriptor)
        if refuse and isinstance(error, BlockingIOError):
            raise UserError(
                f"Another run is writing to {folder}. Wait for its end, or name another folder."
            ) from error
        return None


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, so that a kill can't come between. Linux alone can.

    Returns:
        Whether they are exchanged.
    """
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # not in every C library
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    paths = os.fsencode(one), os.fsencode(other)
    return renameat2 is not None and not renameat2(here, paths[0], here, paths[1], exchange)


def check_folder(output: Path, named_by: str = "--output DIR") -> None:
    """Check that results can be written to a folder, before any work is done for them.

    Args:
        output: The folder.
        named_by: The option or argument that names it.

    Raises:
        UserError: If there is a file in its place.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file. Name a folder: {named_by}")
    _check_parents(output, named_by)


def check_file(output: Path, force: bool, read: Iterable[Path | None] = ()) -> None:
    """Check that a file can be written, before any work is done for it.

    Args:
        output: The file.
        force: Whether an existing file may be replaced.
        read: Files or folders of data that are read, and that the file must not replace.

    Raises:
        UserError: If it may not, or there is a folder in its place, or a file in a folder's.
    """
    if any(path is not None and path.resolve() == output.resolve() for path in read):
        raise UserError(f"{output} is an input file. Name another file.")
    if output.exists() and not (force and output.is_file()):
        how = "Replace it with --force, or name" if output.is_file() else "Name"
        raise UserError(f"{output} exists. {how} another file.")
    _check_parents(output, "name another file")


def check_pipeline_folder(output: Path, force: bool) -> None:
    """Check that a pipeline can be saved to a folder, and that nothing else is lost by it.

    Args:
        output: The folder.
        force: Whether an existing pipeline may be replaced.

    Raises:
        UserError: If it may not, or the folder holds something else than a pipeline.
    """
    check_folder(output, "name a folder for the pipeline")
    if not output.exists() or not any(output.iterdir()):
        return
    if not all((output / name).is_file() for name in ("config.cfg", "meta.json")):
        raise UserError(
            f"{output} contains something other than a pipeline and is never replaced. Name "
            f"another folder."
        )
    if not force:
        raise UserError(f"{output} exists. Replace it with --force, or name another folder.")


def _check_parents(output: Path, named_by: str) -> None:
    for parent in output.absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"{parent} is a file, so {output} can't be created: {named_by}")
