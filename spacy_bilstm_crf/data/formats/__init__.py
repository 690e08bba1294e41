"""Files of annotation tools <-> docs."""

from .docs import DocSettings
from .files import FORMATS, Settings, check_targets, convert, files_of, read, write, write_whole
from .records import Findings, Problem

__all__ = [
    "FORMATS",
    "DocSettings",
    "Findings",
    "Problem",
    "Settings",
    "check_targets",
    "convert",
    "files_of",
    "read",
    "write",
    "write_whole",
]
