"""What a user does with a recognizer, one public function each, named as its command."""

from .agreement import agreement
from .annotate import AnnotateProgress, AnnotateSummary, annotate
from .audit import audit
from .calibrate import Calibrated, calibrate
from .convert import convert
from .copy_config import copy_config
from .cross_validation import cross_validate
from .distill import distill
from .ensemble import Ensembled, ensemble
from .estimate import Estimate, Estimates, Interval, estimate
from .export import ExportedPipeline, export
from .init_config import FittedConfig, init_config
from .replace_ner import ReplacedNER, replace_ner
from .report import report
from .select import select
from .serve import serve
from .set_threshold import set_threshold
from .shrink import Shrunk, shrink
from .tune import tune
from .update import Updated, lower_biases, retaining_examples, update

__all__ = [
    "AnnotateProgress",
    "AnnotateSummary",
    "Calibrated",
    "Ensembled",
    "Estimate",
    "Estimates",
    "ExportedPipeline",
    "FittedConfig",
    "Interval",
    "ReplacedNER",
    "Shrunk",
    "Updated",
    "agreement",
    "annotate",
    "audit",
    "calibrate",
    "convert",
    "copy_config",
    "cross_validate",
    "distill",
    "ensemble",
    "estimate",
    "export",
    "init_config",
    "lower_biases",
    "replace_ner",
    "report",
    "retaining_examples",
    "select",
    "serve",
    "set_threshold",
    "shrink",
    "tune",
    "update",
]
