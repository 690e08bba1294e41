"""Losses and their gradients, calibration, optimizers and the training loop."""

from ..calibration import Calibration
from .accumulation import GradientMean
from .annotation import Annotation, annotation_of, is_annotated
from .calibration import fit_calibration
from .distillation import SoftLabels, Teacher, set_soft_labels, soft_labels_of, teacher_loss
from .losses import EntityRatio, loss_of
from .objectives import Loss, summed_negative_log_likelihood
from .optimizers import SGDMomentum
from .spans import ANY_LABEL, is_span_annotated, span_annotation_of, span_loss_of
