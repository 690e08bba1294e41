"""The architecture: potentials, converters, resizing."""

import numpy as np
import pytest

from spacy_bilstm_crf import Potentials
from spacy_bilstm_crf.models.bilstm_crf import check_tags
from tests.helpers import examples_for, make_nlp, train


@pytest.fixture
def nlp():
    made = make_nlp()
    train(made, examples_for(made), steps=3)
    return made


def scalars(potentials, weights):
    """A linear function of all potentials, with the same weights as its gradient."""
    pairs = zip(
        [*potentials.emissions, potentials.transitions, potentials.start, potentials.end],
        [*weights.emissions, weights.transitions, weights.start, weights.end],
    )
    return sum(float((a * b).sum()) for a, b in pairs)


def test_backprop_agrees_with_finite_differences(nlp):
    layer = nlp.get_pipe("ner").model.get_ref("output_layer")
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 32)).astype("float32") for n in (3, 0, 5)]
    potentials, backprop = layer.begin_update(X)
    weights = Potentials(
        *[
            [rng.normal(size=part.shape).astype("float32") for part in value]
            if isinstance(value, list)
            else rng.normal(size=value.shape).astype("float32")
            for value in vars(potentials).values()
        ]
    )
    dX = backprop(weights)
    assert [d.shape for d in dX] == [x.shape for x in X]
    for doc, token, feature in [(0, 1, 4), (2, 4, 0), (2, 0, 31)]:
        values = []
        for step in (0.01, -0.01):
            moved = [x.copy() for x in X]
            moved[doc][token, feature] += step
            values.append(scalars(layer.predict(moved), weights))
        difference = (values[0] - values[1]) / 0.02
        assert difference == pytest.approx(dX[doc][token, feature], rel=2e-2, abs=2e-3)
    network = layer.shims[0]._model
    np.testing.assert_allclose(network.transitions.grad, weights.transitions, rtol=1e-6)
    np.testing.assert_allclose(network.end.grad, weights.end, rtol=1e-6)


def test_potentials_can_be_cut_padded_and_scaled():
    potentials = Potentials(
        [np.ones((2, 5), dtype="float32")], np.ones((5, 5)), np.ones(5), np.ones(5)
    )
    first = potentials.first_tags(3)
    assert first.n_tags == 3
    assert first.emissions[0].shape == (2, 3)
    assert first.transitions.shape == (3, 3)
    again = first.padded(5).scaled(2.0)
    assert again.n_tags == 5
    assert again.emissions[0].tolist() == [[2.0, 2.0, 2.0, 0.0, 0.0]] * 2
    assert again.transitions.sum() == 2.0 * 9
    assert again.start.tolist() == again.end.tolist() == [2.0, 2.0, 2.0, 0.0, 0.0]


def test_resizing(nlp):
    model = nlp.get_pipe("ner").model
    shim = model.get_ref("output_layer").shims[0]
    key = shim.id
    model.attrs["resize_output"](model, 9)
    assert shim.id == key  # nothing changed
    model.attrs["resize_output"](model, 13)
    assert shim.id != key  # an optimizer's moments of the old shapes are not used
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 13
    check_tags(model, 13)
    with pytest.raises(ValueError, match=r"tags = 13.*tags = 9"):
        check_tags(model, 9)
