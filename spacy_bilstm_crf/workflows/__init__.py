"""What a user does with a recognizer, one public function each, named as its command."""

from .report import report

__all__ = ["report"]
