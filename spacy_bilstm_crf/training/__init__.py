"""What is learned from: losses of annotation, calibration, optimizers."""

from .calibration import Calibration, fit_calibration
from .losses import EntityRatio, annotation_loss, annotation_of, is_annotated, rehearsal_loss
from .optimizers import SGDMomentum

__all__ = [
    "Calibration",
    "EntityRatio",
    "SGDMomentum",
    "annotation_loss",
    "annotation_of",
    "fit_calibration",
    "is_annotated",
    "rehearsal_loss",
]
