"""Files of annotation tools <-> docs."""

from .docs import DocSettings
from .files import FORMATS, Settings, convert, files_of, read, write
from .records import Findings, FormatError, Problem

__all__ = [
    "FORMATS",
    "DocSettings",
    "Findings",
    "FormatError",
    "Problem",
    "Settings",
    "convert",
    "files_of",
    "read",
    "write",
]
