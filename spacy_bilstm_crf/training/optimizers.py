"""Stochastic gradient descent with momentum, which Thinc's optimizers can't express."""

from typing import Tuple, Union

from thinc.api import Optimizer
from thinc.backends import get_array_ops
from thinc.types import FloatsXd, Generator


def SGDMomentum(
    learn_rate: Union[float, Generator],
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
        L2: Weight decay: the share of a weight, times the step size, that a step removes.
        use_averages: Whether to keep moving averages of the parameters for evaluation.
    """
    for name, value in (("learn_rate", learn_rate), ("grad_clip", grad_clip), ("L2", L2)):
        if isinstance(value, (int, float)) and value < 0.0:
            raise ValueError(f"SGD needs a {name} of 0 or above, not {value}.")
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"SGD needs a momentum from 0 up to (not including) 1, not {momentum}.")
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
    """Thinc's optimizer with another rule: velocity = b1 * velocity + gradient."""

    def __call__(
        self,
        key: Tuple[int, str],
        weights: FloatsXd,
        gradient: FloatsXd,
        *,
        lr_scale: float = 1.0,
    ) -> Tuple[FloatsXd, FloatsXd]:
        if len(gradient) < 1:
            return weights, gradient
        ops = get_array_ops(weights)
        self.nr_update[key] += 1
        if self.grad_clip:
            gradient = ops.clip_gradient(gradient, self.grad_clip)
        if key not in self.mom1:
            self.mom1[key] = ops.alloc(weights.shape, dtype="float32")
        velocity = self.mom1[key]
        velocity *= self.b1
        velocity += gradient
        rate = lr_scale * self.learn_rate
        if self.L2:
            weights *= 1.0 - rate * self.L2
        step = ops.xp.multiply(velocity, rate, out=gradient)  # saves an array
        weights -= step
        gradient.fill(0)
        if self.averages is not None:
            if key not in self.averages:
                self.averages[key] = ops.alloc(weights.shape, dtype="float32")
            ops.update_averages(self.averages[key], weights, self.nr_update[key])
        return weights, gradient
