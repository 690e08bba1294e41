"""SGD with momentum against torch's."""

import numpy as np
import pytest
import torch
from thinc.api import NumpyOps, registry


def make(**config):
    return registry.resolve({"it": {"@optimizers": "spacy-bilstm-crf.SGD.v1", **config}})["it"]


def test_steps_are_torchs():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 4)).astype("float32")
    parameter = torch.nn.Parameter(torch.tensor(weights))
    theirs = torch.optim.SGD([parameter], lr=0.1, momentum=0.8)
    ours = make(learn_rate=0.1, momentum=0.8, grad_clip=0.0)
    for _ in range(5):
        gradient = rng.normal(size=(3, 4)).astype("float32")
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        weights, gradient = ours((1, "W"), weights, gradient)
        assert not gradient.any()
        np.testing.assert_allclose(weights, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_clipping_schedule_decay_and_averages():
    schedule = {"@schedules": "decaying.v1", "base_rate": 1.0, "decay": 1.0}
    ours = make(learn_rate=schedule, momentum=0.0, grad_clip=1.0, L2=0.5, use_averages=True)
    weights = np.full(1, 2.0, dtype="float32")
    weights, _ = ours((1, "W"), weights, np.full(1, 10.0, dtype="float32"))
    np.testing.assert_allclose(weights, [2.0 * 0.5 - 1.0])  # decayed by half, step of 1
    ours.step_schedules()
    assert ours.learn_rate == 0.5
    assert (1, "W") in ours.averages


@pytest.mark.parametrize(
    "name, value",
    [("momentum", 1.5), ("momentum", "nan"), ("learn_rate", -0.1), ("L2", float("nan"))],
)
def test_bad_settings(name, value):
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        make(**{"learn_rate": 0.1, name: value})


def test_averages_are_thincs():
    rng = np.random.default_rng(0)
    ours = make(learn_rate=0.1, use_averages=True)
    weights = rng.normal(size=(2, 3)).astype("float32")
    expected = np.zeros_like(weights)
    for n_updates in range(1, 6):
        gradient = rng.normal(size=(2, 3)).astype("float32")
        weights, _ = ours((1, "W"), weights, gradient)
        NumpyOps().update_averages(expected, weights, n_updates)
        np.testing.assert_allclose(ours.averages[1, "W"], expected, rtol=1e-5, atol=1e-6)
