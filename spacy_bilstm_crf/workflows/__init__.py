"""What a user does with a recognizer, one public function each, named as its command."""

from .calibrate import Calibrated, calibrate
from .convert import convert
from .ensemble import ensemble
from .init_config import FittedConfig, init_config
from .select import select
from .shrink import Shrunk, shrink

__all__ = [
    "Calibrated",
    "FittedConfig",
    "Shrunk",
    "calibrate",
    "convert",
    "ensemble",
    "init_config",
    "select",
    "shrink",
]
