"""Read files out of git clones, bare or not, without checking them out and without a network."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from spacy_bilstm_crf.common.errors import UserError, one_line

# A clone that lacks files would ask where it comes from, were any way of asking allowed
OFFLINE = {**os.environ, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}


class File(NamedTuple):
    """A file in the last commit of a clone.

    Attributes:
        path: Its path in the repository.
        blob: What git knows its content by.
    """

    path: str
    blob: str


class Clone:
    """A git clone, which is read as it is at HEAD.

    Args:
        git_dir: The bare clone, or the folder `.git` of another.
    """

    def __init__(self, git_dir: Path):
        self.command = ["git", f"--git-dir={git_dir}"]
        self.git_dir = git_dir

    @classmethod
    def of(cls, clones: Path, repository: str) -> "Clone":
        """Find the clone of a repository.

        Args:
            clones: A folder that has it as OWNER+NAME or OWNER+NAME/repo, bare or not.
            repository: OWNER/NAME.

        Raises:
            UserError: If there is none.
        """
        folder = clones / repository.replace("/", "+")
        for each in (folder, folder / "repo"):
            for git_dir in (each / ".git", each):
                if (git_dir / "HEAD").is_file():
                    return cls(git_dir)
        raise UserError(f"No clone of {repository}: make one, with the name {folder}")

    def commit(self) -> str:
        """Return the commit at HEAD.

        Raises:
            UserError: If there is none.
        """
        return self._git("rev-parse", "--verify", "HEAD").strip()

    def files(self, pattern: str) -> list[File]:
        """List the files whose path matches a regular expression, in git's order.

        Raises:
            UserError: If the clone can't be read.
        """
        rows = self._git("ls-tree", "-r", "-z", "HEAD").split("\0")
        entries = [row.split("\t", 1) for row in rows if row]  # MODE TYPE BLOB, and the path
        return [File(path, meta.split()[2]) for meta, path in entries if re.search(pattern, path)]

    def contents(self, files: Iterable[File]) -> Iterator[bytes]:
        """Read files, one after the other, in one process.

        Raises:
            UserError: If the clone lacks one.
        """
        command = [*self.command, "cat-file", "--batch"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=OFFLINE) as process:
            asked, answered = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            for file in files:
                asked.write(file.blob.encode() + b"\n")
                asked.flush()
                header = answered.readline().split()  # BLOB TYPE SIZE, or BLOB "missing"
                if len(header) < 3:
                    raise UserError(
                        f"{self.git_dir} lacks {file.path}: make a clone without filter."
                    )
                yield answered.read(int(header[2]))
                answered.read(1)  # the line's end

    def _git(self, *arguments: str) -> str:
        done = subprocess.run([*self.command, *arguments], capture_output=True, env=OFFLINE)
        if done.returncode:
            error = one_line(ValueError(done.stderr.decode("utf8", "replace")))
            raise UserError(f"{self.git_dir} can't be read: {error}")
        return done.stdout.decode("utf8", "replace")
