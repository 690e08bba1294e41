"""Teach a trained pipeline new labels or new texts, and keep what it has learned."""

from .examples import retaining_examples
from .scores import UpdateScores
from .workflow import Updated, update

__all__ = ["UpdateScores", "Updated", "retaining_examples", "update"]
