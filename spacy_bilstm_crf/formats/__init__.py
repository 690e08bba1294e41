"""Files of annotation tools <-> docs."""

from .docs import DocSettings
from .files import FORMATS, Settings, convert, files_of, read, write
from .records import Findings, FormatError, Problem
from .texts import Text, read_texts

__all__ = [
    "FORMATS",
    "DocSettings",
    "Findings",
    "FormatError",
    "Problem",
    "Settings",
    "Text",
    "convert",
    "files_of",
    "read",
    "read_texts",
    "write",
]
