"""Gradient accumulation: one update from several batches, as if they were one."""

from thinc.api import Model, PyTorchShim


class GradientMean:
    """Keeps gradients that are added up over several batches the mean over all of their docs.

    The loss of each batch is the mean over its docs, so that the plain sum over k parts of a batch
    would be k times too large. How many parts are to come is not known when a gradient is passed
    on to a shared `tok2vec`, whose parameters belong to another component. Each part is therefore
    weighted as if there were as many as for the last update, and the model's own gradients are
    corrected before the update. An update from a single batch is left as it is.
    """

    def __init__(self) -> None:
        self._first = 0  # docs of the first batch since the last update
        self._total = 0  # docs of all batches since then
        self._expected = 1.0  # total / first at the last update

    def weight(self, n_docs: int) -> float:
        """Count a batch, and return the weight of its loss and gradient.

        Args:
            n_docs: The number of docs that its loss is the mean of, at least 1.
        """
        self._first = self._first or n_docs
        self._total += n_docs
        return n_docs / self._first / self._expected

    def finish(self, model: Model) -> None:
        """Correct the gradients of a model before its update, and begin to count anew."""
        if self._total:
            found = self._total / self._first
            if found != self._expected:
                _scale_gradients(model, self._expected / found)
            self._first, self._total, self._expected = 0, 0, found


def _scale_gradients(model: Model, factor: float) -> None:
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                gradient = node.get_grad(name)
                gradient *= factor
        for shim in node.shims:
            if isinstance(shim, PyTorchShim):
                for parameter in shim._model.parameters():
                    if parameter.grad is not None:
                        parameter.grad.mul_(factor)
