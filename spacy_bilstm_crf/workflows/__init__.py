"""What a user does with a recognizer, one public function each, named as its command."""

from .calibrate import Calibrated, calibrate
from .ensemble import ensemble
from .init_config import FittedConfig, init_config
from .shrink import Shrunk, shrink

__all__ = [
    "Calibrated",
    "FittedConfig",
    "Shrunk",
    "calibrate",
    "ensemble",
    "init_config",
    "shrink",
]
