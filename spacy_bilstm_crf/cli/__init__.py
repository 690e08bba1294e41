"""`python -m spacy bilstm-crf COMMAND`: this package's part of spaCy's command line.

spaCy imports it, by the entry point group `spacy_cli`, for each command of its own. So nothing here
imports more than typer before a command of ours is called.
"""

from importlib import import_module
from pkgutil import iter_modules

from .app import bilstm_crf_cli

for _module in iter_modules(__path__):  # each adds its command
    import_module(f"{__name__}.{_module.name}")
