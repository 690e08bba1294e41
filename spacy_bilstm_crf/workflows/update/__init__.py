"""Teach a trained pipeline new labels or new texts, and keep what it has learned."""

from .biases import lower_biases
from .examples import retaining_examples
from .scores import UpdateScores
from .workflow import Updated, update

__all__ = ["UpdateScores", "Updated", "lower_biases", "retaining_examples", "update"]
