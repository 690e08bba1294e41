"""A live model for Label Studio: its ML backend protocol, as routes of the HTTP service.

Label Studio asks for predictions, and tells what was annotated. From that, new versions of the
pipeline are trained in a process of its own and swapped in.
"""

from .label_config import LabelConfig, read_label_config
from .workflow import serve_label_studio

__all__ = ["LabelConfig", "read_label_config", "serve_label_studio"]
