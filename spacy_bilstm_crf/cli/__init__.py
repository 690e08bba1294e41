"""`python -m spacy bilstm-crf COMMAND`: this package's part of spaCy's command line.

spaCy imports it, by the entry point group `spacy_cli`, for each command of its own. So nothing here
imports more than typer before a command of ours is called.
"""

from .annotate import annotate_cli
from .app import bilstm_crf_cli
from .audit import audit_cli
from .calibrate import calibrate_cli
from .convert import convert_cli
from .distill import distill_cli
from .ensemble import ensemble_cli
from .init_config import init_config_cli
from .report import report_cli
from .select import select_cli
from .serve import serve_cli
from .shrink import shrink_cli
from .tune import tune_cli

__all__ = [
    "annotate_cli",
    "audit_cli",
    "bilstm_crf_cli",
    "calibrate_cli",
    "convert_cli",
    "distill_cli",
    "ensemble_cli",
    "init_config_cli",
    "report_cli",
    "select_cli",
    "serve_cli",
    "shrink_cli",
    "tune_cli",
]
