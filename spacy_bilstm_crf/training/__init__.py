"""What is learned from: losses of annotation, calibration, optimizers."""

from .calibration import Calibration, fit_calibration
from .losses import (
    Annotation,
    EntityRatio,
    Loss,
    annotation_loss,
    annotation_of,
    is_annotated,
    rehearsal_loss,
)
from .optimizers import SGDMomentum

__all__ = [
    "Annotation",
    "Calibration",
    "EntityRatio",
    "Loss",
    "SGDMomentum",
    "annotation_loss",
    "annotation_of",
    "fit_calibration",
    "is_annotated",
    "rehearsal_loss",
]
