"""What a user does with a recognizer, one public function each, named as its command."""

from .calibrate import Calibrated, calibrate
from .ensemble import ensemble
from .shrink import Shrunk, shrink

__all__ = [
    "Calibrated",
    "Shrunk",
    "calibrate",
    "ensemble",
    "shrink",
]
