"""Is the annotation right? What can be seen without a model, and what models say about it."""

from .checks import Problem, problems
from .held_out import suspects_in, trained_folds
from .suspects import Suspect, as_prodigy

__all__ = ["Problem", "Suspect", "as_prodigy", "problems", "suspects_in", "trained_folds"]
