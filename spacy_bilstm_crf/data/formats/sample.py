"""The beginning of a file, from which formats recognize their own files."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...common.files import files_below
from .settings import FormatSettings

MOST_TO_LOOK_AT = 1 << 20  # bytes
MOST_LINES = 200


@dataclass(frozen=True)
class FileSample:
    """The beginning of a file, or the names of the files of a folder.

    Attributes:
        path: The file or folder.
        start: The first bytes of the file, at most `MOST_TO_LOOK_AT`; empty for a folder.
        settings: How the file is to be read.
    """

    path: Path
    start: bytes
    settings: FormatSettings

    @classmethod
    def of(cls, path: Path, settings: FormatSettings | None = None) -> "FileSample":
        """Read the beginning of a file.

        Args:
            path: The file or folder.
            settings: How it is to be read.

        Raises:
            OSError: If it can't be opened.
        """
        start = b""
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(MOST_TO_LOOK_AT)
        return cls(path, start, settings or FormatSettings())

    @cached_property
    def text(self) -> str:
        """The beginning of the file as text, with U+FFFD for what is not in its encoding."""
        return self.start.decode(self.settings.encoding, errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        """The first `MOST_LINES` lines that are not empty, without what may be cut off."""
        lines = self.text[: MOST_TO_LOOK_AT // 4].splitlines()
        if len(lines) > 1 and len(self.start) >= MOST_TO_LOOK_AT // 4:
            lines.pop()
        return [line for line in lines if line.strip()][:MOST_LINES]

    @cached_property
    def value(self) -> Any:
        """The first value of a file of JSON, or of the list that it is; None if there is none.

        An object stays one, whatever is in it. Of a list that has objects or lists it is the first.
        """
        text = self.text.lstrip()
        if not text.startswith(("{", "[")):
            return None
        decoder = json.JSONDecoder()
        for at in (0, 1) if text[0] == "[" else (0,):  # a list may be cut before its end
            try:
                value, _ = decoder.raw_decode(text[at:].lstrip())
            except (ValueError, RecursionError):
                continue
            is_list = isinstance(value, list) and value and isinstance(value[0], list | dict)
            return value[0] if is_list and at == 0 else value
        return None

    @cached_property
    def object(self) -> dict[str, Any]:
        """The first object of a file of JSON, or of the list that it is; empty if there is none."""
        return self.value if isinstance(self.value, dict) else {}

    def has(self, *keys: str) -> bool:
        """Tell whether the first object of a file of JSON has all of some keys."""
        return bool(self.object) and self.object.keys() >= set(keys)

    @cached_property
    def endings(self) -> set[str]:
        """The endings of the files in a folder and its subfolders, in lower case."""
        if not self.path.is_dir():
            return set()
        return {file.suffix.lower() for file in files_below(self.path)}
