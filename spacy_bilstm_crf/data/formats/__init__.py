"""Files of annotation tools <-> docs.

Each format is a module of this folder that registers itself: see `registry.Format`.
"""

from importlib import import_module
from pkgutil import iter_modules

from .files import check_replaceable, read, write
from .records import Findings, Problem
from .registry import FORMATS, Format, register, writable
from .settings import ColumnSettings, DocSettings, FormatSettings

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
