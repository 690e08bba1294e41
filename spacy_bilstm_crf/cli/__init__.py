"""`python -m spacy bilstm-crf COMMAND`: this package's part of spaCy's command line.

spaCy imports it, by the entry point group `spacy_cli`, for each command of its own. So nothing here
imports more than typer before a command of ours is called.
"""

from . import (
    annotate,
    audit,
    calibrate,
    convert,
    distill,
    ensemble,
    init_config,
    report,
    select,
    serve,
    shrink,
    tune,
)
from .app import bilstm_crf_cli

__all__ = ["bilstm_crf_cli"]
