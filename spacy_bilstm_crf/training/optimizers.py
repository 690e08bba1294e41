"""Stochastic gradient descent with momentum, which Thinc's optimizers can't do."""

from numbers import Real
from typing import Any, cast

import numpy as np
from thinc.api import Optimizer
from thinc.backends import get_array_ops
from thinc.types import FloatsXd, Generator

MAX_DECAY = 0.9999  # of the averages, as in Thinc


def SGDMomentum(
    learn_rate: float | Generator,
    momentum: float = 0.9,
    grad_clip: float = 5.0,
    L2: float = 0.0,
    use_averages: bool = False,
) -> Optimizer:
    """Stochastic gradient descent with momentum (Polyak 1964).

    Args:
        learn_rate: The step size, or a schedule of it.
        momentum: Share of the last step that is taken again, from 0 up to 1.
        grad_clip: Largest L2 norm of a parameter's gradient; 0 for no limit.
        L2: Weight decay: each step removes this share of a weight, times the step size.
        use_averages: Whether to keep moving averages of the parameters for evaluation.

    Returns:
        The optimizer.

    Raises:
        ValueError: Naming the argument that makes no sense.
    """
    for name, value in (("learn_rate", learn_rate), ("grad_clip", grad_clip), ("L2", L2)):
        if isinstance(value, (int, float)) and not value >= 0.0:
            raise ValueError(f"SGD needs a {name} of 0 or above, not {value}.")
    if not isinstance(momentum, Real) or not 0.0 <= momentum < 1.0:
        raise ValueError(f"SGD needs a momentum from 0 up to (not including) 1, not {momentum!r}.")
    return _MomentumOptimizer(
        learn_rate,
        L2=L2,
        beta1=momentum,
        beta2=0.0,
        grad_clip=grad_clip,
        use_averages=use_averages,
        L2_is_weight_decay=True,
    )


class _MomentumOptimizer(Optimizer):
    """Thinc's optimizer with another rule: velocity = b1 * velocity + gradient.

    It runs as torch operations, in place on the memory of the arrays, which takes half as many
    passes over the memory as NumPy.
    """

    def __call__(
        self, key: tuple[int, str], weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        if len(gradient) < 1:
            return weights, gradient
        self.nr_update[key] += 1
        if key not in self.mom1:
            self.mom1[key] = get_array_ops(weights).alloc(weights.shape, dtype="float32")
        velocity, slope = _on_memory_of(self.mom1[key]), _on_memory_of(gradient)
        velocity.mul_(self.b1).add_(slope, alpha=self._clipping(slope))
        rate = lr_scale * self.learn_rate
        values = _on_memory_of(weights)
        if self.L2:
            values.mul_(1.0 - rate * self.L2)
        values.add_(velocity, alpha=-rate)
        slope.zero_()
        if self.averages is not None:
            self._average(self.averages, key, weights)
        return weights, gradient

    def _clipping(self, gradient: Any) -> float:
        """Return the factor that brings the norm of a gradient down to the limit."""
        if not self.grad_clip:
            return 1.0
        norm = float(gradient.norm())
        return self.grad_clip / norm if norm >= self.grad_clip else 1.0

    def _average(self, averages: dict, key: tuple[int, str], weights: FloatsXd) -> None:
        """Update the moving average as Thinc's `Ops.update_averages` does."""
        if key not in averages:
            averages[key] = get_array_ops(weights).alloc(weights.shape, dtype="float32")
        n_updates = self.nr_update[key]
        decay = min((1.0 + n_updates) / (10.0 + n_updates), MAX_DECAY)
        _on_memory_of(averages[key]).lerp_(_on_memory_of(weights), 1.0 - decay)


def _on_memory_of(array: FloatsXd) -> Any:
    """Return a tensor that shares an array's memory."""
    import torch  # whoever trains has it

    if isinstance(array, np.ndarray):
        return torch.from_numpy(array)
    return torch.from_dlpack(cast(Any, array))
