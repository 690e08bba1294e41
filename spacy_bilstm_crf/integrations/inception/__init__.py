"""An external recommender for INCEpTION: its protocol, as routes of the HTTP service.

INCEpTION asks for suggestions, and sends what was annotated. From that, new versions of the
pipeline are trained in a process of its own and swapped in.
"""

from .workflow import serve_inception

__all__ = ["serve_inception"]
