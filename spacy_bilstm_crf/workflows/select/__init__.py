"""Choose what to annotate next: documents, or single entities to accept or reject."""

from .choose import select
from .selection import Selection, Suggestion, check_output

__all__ = ["Selection", "Suggestion", "check_output", "select"]
