"""Which format a file has, found from its content and its ending.

Formats recognize their own files: see `registry.Format.detect`. What no format here can read, and
is known all the same, is listed here.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ...common.errors import UserError
from ...common.files import files_below
from .registry import FORMATS, writable
from .sample import FileSample
from .settings import FormatSettings

# How a file begins, and what it looks like
OTHERS_BY_START = (
    (rb"\xff\xfe\0\0|[^\0]\0\0\0", "text in UTF-32 (--encoding utf-32-le)"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16 (--encoding utf-16)"),
    (rb"[^\0]\0[^\0]\0", "text in UTF-16 (--encoding utf-16-le)"),
    (rb"\0[^\0]\0[^\0]", "text in UTF-16 (--encoding utf-16-be)"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it first"),
    (rb"\x1f\x8b", "a gzip archive: unpack it first"),
    (rb"PAR1", "Parquet"),
    (rb"(?:\xef\xbb\xbf)?(?:version:.*\s+)?(?:rules|stories):", "Rasa's rules or stories"),
    (rb"\s*<(?:\?xml|!DOCTYPE|html)", "XML or HTML"),
)


def candidates(sample: FileSample) -> list[str]:
    """Return the formats whose files look like this, in alphabetical order."""
    found = (one.name for one in FORMATS.values() if one.detect and one.detect(sample))
    return sorted(found)


def detected(path: Path, settings: FormatSettings) -> str:
    """Detect the format of a file, or of the files of a folder.

    The content decides. Where it fits several formats, or none, the ending of the name does, if it
    is that of only one of them.

    Args:
        path: The file or folder.
        settings: How it is to be read.

    Returns:
        The name of the format.

    Raises:
        UserError: If it can't be told, or the files of a folder have several formats.
    """
    if not path.is_dir():
        return _only(path, _by_content(path, settings) or _by_ending(path))
    names = candidates(FileSample.of(path, settings))
    if names:
        return _only(path, names)
    files = [x for x in files_below(path) if x.is_file() and not x.name.startswith(".")]
    found = [(file, _by_content(file, settings)) for file in files]
    if not any(names for _, names in found):  # such as files without an entity
        found = [(file, _by_ending(file)) for file in files]
    examples = {names[0]: file for file, names in reversed(found) if len(names) == 1}
    if len(examples) > 1:
        several = ", ".join(f"{name} ({file.name})" for name, file in sorted(examples.items()))
        raise UserError(f"{path} has files of several formats: {several}. Name one with --from.")
    unclear = next(((file, names) for file, names in found if len(names) > 1), (path, []))
    return next(iter(examples), None) or _only(*unclear)


def _by_content(path: Path, settings: FormatSettings) -> list[str]:
    """The formats that a file looks like: one if that is clear."""
    names = candidates(FileSample.of(path, settings))
    by_ending = [name for name in names if _has_ending(path, name)]
    return by_ending if len(by_ending) == 1 else names


def _by_ending(path: Path) -> list[str]:
    """The format that alone has the ending of a file, in a list; an empty one if there is none."""
    possible = [name for name, format_ in FORMATS.items() if format_.is_by_ending]
    names = [name for name in possible if _has_ending(path, name)]
    return names if len(names) == 1 else []


def _has_ending(path: Path, name: str) -> bool:
    format_ = FORMATS[name]
    return not format_.is_folder and path.suffix.lower() in format_.suffixes


def _only(path: Path, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    if names:
        raise UserError(f"{path} may be {' or '.join(names)}: name the format with --from.")
    hint = other_than_known(FileSample.of(path))
    raise UserError(
        f"{path} has no format that can be recognized. {hint or 'Name it with --from.'}"
    )


def by_output(path: Path) -> str | None:
    """Return the format that the ending of an output belongs to; None if it is not just one's."""
    possible = [x for x in writable() if path.suffix.lower() not in FORMATS[x].only_read]
    names = [name for name in possible if _has_ending(path, name)]
    return names[0] if len(names) == 1 else None


def looks_like(path: Path, named: str) -> str:
    """Tell what a file looks like that can't be read as what it was said to be, and what to do.

    Args:
        path: The file, or a folder.
        named: The name of the format that it was said to have.

    Returns:
        A sentence; "" if it looks like nothing known, or like what it was said to be.
    """
    if not path.is_file():
        return ""
    sample = FileSample.of(path)
    names = candidates(sample)
    # The layouts of doccano have the same reader
    if any(FORMATS[name].read is FORMATS[named].read for name in names):
        return ""
    if not names:
        return other_than_known(sample)
    hint = ", with its folder as the input" if FORMATS[names[0]].is_folder else ""
    return f"This looks like {names[0]}: read it with --from {names[0]}{hint}."


def other_than_known(sample: FileSample) -> str:
    """Tell what a file looks like that has none of the formats; "" if it looks like nothing."""
    of_start = (what for pattern, what in OTHERS_BY_START if re.match(pattern, sample.start))
    what = next(of_start, None)
    return f"This looks like {what}." if what else ""
