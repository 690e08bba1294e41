"""Files of annotation tools <-> docs."""

from ..texts import Text, read_texts
from .docs import DocSettings
from .files import FORMATS, Settings, check_targets, convert, files_of, read, write, write_whole
from .records import Findings, Problem

__all__ = [
    "FORMATS",
    "DocSettings",
    "Findings",
    "Problem",
    "Settings",
    "Text",
    "check_targets",
    "convert",
    "files_of",
    "read",
    "read_texts",
    "write",
    "write_whole",
]
