"""The neural networks, in pure torch, which the modules of this package import: no other does."""

from ...common.errors import UserError

try:
    import torch
except ModuleNotFoundError as error:
    raise UserError(
        "This pipeline or config needs PyTorch, which is not installed: pip install torch. Or run "
        "`python -m spacy bilstm-crf export` where it is, and use the result here."
    ) from error
