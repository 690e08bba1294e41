"""What a user does with a recognizer, one public function each, named as its command."""

from .tune import tune

__all__ = ["tune"]
