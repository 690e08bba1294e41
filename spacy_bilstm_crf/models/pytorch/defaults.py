"""Arguments for creating parameters, whatever torch's defaults are."""

from typing import Any

import torch

# On the CPU: networks are moved to their device as a whole
FLOATS: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
