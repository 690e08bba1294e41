"""What is learned from: losses of annotation, calibration, optimizers."""

from .calibration import Calibration, fit_calibration
from .distillation import loss_of, soft_labels_of
from .losses import Annotation, EntityRatio, Loss, annotation_of, is_annotated, rehearsal_loss
from .optimizers import SGDMomentum

__all__ = [
    "Annotation",
    "Calibration",
    "EntityRatio",
    "Loss",
    "SGDMomentum",
    "annotation_of",
    "fit_calibration",
    "is_annotated",
    "loss_of",
    "rehearsal_loss",
    "soft_labels_of",
]
