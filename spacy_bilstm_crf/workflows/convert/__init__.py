"""Convert annotated data between formats."""

from ...data.formats import ColumnSettings
from .checks import check_labels, checked_encoding
from .places import LISTED
from .workflow import Conversion, ConvertedFile, convert

__all__ = [
    "LISTED",
    "ColumnSettings",
    "Conversion",
    "ConvertedFile",
    "check_labels",
    "checked_encoding",
    "convert",
]
