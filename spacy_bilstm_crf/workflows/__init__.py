"""What a user does with a recognizer, one public function each, named as its command."""

from .annotate import AnnotateProgress, AnnotateSummary, annotate
from .serve import serve

__all__ = ["AnnotateProgress", "AnnotateSummary", "annotate", "serve"]
