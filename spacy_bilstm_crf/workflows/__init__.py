"""What a user does with a recognizer, one public function each, named as its command."""

from .audit import audit
from .report import report

__all__ = ["audit", "report"]
