"""What a user does with a recognizer, one public function each, named as its command."""

from .convert import convert
from .distill import distill
from .select import select

__all__ = ["convert", "distill", "select"]
