"""Is the annotation right? What can be seen without a model, and what models say about it."""

from .checks import Problem, problems
from .held_out import audit_by_folds
from .suspects import Suspect, as_prodigy

__all__ = ["Problem", "Suspect", "as_prodigy", "audit_by_folds", "problems"]
