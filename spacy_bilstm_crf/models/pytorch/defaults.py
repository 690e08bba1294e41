"""What networks are made with, whatever defaults other code has given torch."""

from typing import Any

import torch

# They are moved to their device as a whole
FLOATS: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
