"""An optimizer for further training, which changes little of what was trained before."""

from typing import Any

from thinc.api import Model, Optimizer, get_array_module
from thinc.backends import get_array_ops
from thinc.types import FloatsXd

Key = tuple[int, str]


class RetainingOptimizer:
    """An optimizer whose steps are smaller, except for the parameters of new tags.

    Args:
        optimizer: The optimizer that takes the steps.
        factor: Share of a step that trained parameters take, 0 to 1.
        model: The model to train.
        n_tags: Number of tags that it was trained with before. All later ones are new.
    """

    def __init__(self, optimizer: Optimizer, factor: float, model: Model, n_tags: int):
        self.optimizer = optimizer
        self.factor = factor
        self.is_new = {
            (shim.id, name): is_new
            for node in model.walk()
            for shim in node.shims
            if hasattr(shim._model, "entries_after")  # the network with the tags
            for name, is_new in shim._model.entries_after(n_tags).items()
        }

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update a parameter.

        Args:
            key: The parameter's key in the optimizer.
            weights: The parameter.
            gradient: Its gradient.
            lr_scale: Factor of the step size.

        Returns:
            The new parameter, and the gradient, which is cleared.
        """
        if key not in self.is_new:
            return self.optimizer(key, weights, gradient, lr_scale=lr_scale * self.factor)
        before = weights.copy()
        averages, self.optimizer.averages = self.optimizer.averages, None
        try:
            weights, gradient = self.optimizer(key, weights, gradient, lr_scale=lr_scale)
        finally:
            self.optimizer.averages = averages
        is_new: Any = get_array_module(weights).asarray(self.is_new[key])
        weights[~is_new] = (before + self.factor * (weights - before))[~is_new]
        if averages is not None:
            self._average(averages, key, weights)
        return weights, gradient

    def _average(self, averages: dict, key: Key, weights: FloatsXd) -> None:
        """Update the moving average of a parameter, as the optimizer would have done."""
        ops = get_array_ops(weights)
        if key not in averages:
            averages[key] = ops.alloc(weights.shape, dtype="float32")
        ops.update_averages(averages[key], weights, self.optimizer.nr_update[key])
