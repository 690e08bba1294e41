"""The shim around torch networks."""

import copy
import gc
import io
import zipfile

import numpy as np
import pytest
import torch
from thinc.api import SGD, Adam

from spacy_bilstm_crf.models.torch_layer import ADAM_FACTOR, dump_state, load_state, rows_of_docs
from tests.helpers import SMALL_MODEL, char_embed_model, examples_for, make_nlp, train, weights


def count_tensors():
    gc.collect()
    return sum(type(thing) in (torch.Tensor, torch.nn.Parameter) for thing in gc.get_objects())


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.01)])
def test_training_keeps_its_tensors(optimizer):
    nlp = make_nlp()
    train(nlp, examples_for(nlp), steps=3, optimizer=optimizer)
    network = nlp.get_pipe("ner").model.get_ref("output_layer").shims[0]._model
    places = [parameter.data_ptr() for parameter in network.parameters()]
    before = count_tensors()
    train(nlp, examples_for(nlp), steps=20, optimizer=optimizer)
    assert count_tensors() == before
    assert [parameter.data_ptr() for parameter in network.parameters()] == places


def test_an_optimizer_that_returns_new_arrays_is_heeded():
    ner = make_nlp().get_pipe("ner")
    shim = ner.model.get_ref("output_layer").shims[0]
    for parameter in shim._model.parameters():
        parameter.grad = torch.ones_like(parameter)
    shim.finish_update(lambda key, weights, gradient: (np.full_like(weights, 7.0), gradient))
    for parameter in shim._model.parameters():
        assert (parameter == 7.0).all()
        assert parameter.grad is None


def test_state_as_bytes():
    network = make_nlp().get_pipe("ner").model.get_ref("output_layer").shims[0]._model
    state = load_state(dump_state(network), "cpu")
    assert set(state) == set(network.state_dict())
    assert all((state[name] == value).all() for name, value in network.state_dict().items())
    assert dump_state(torch.nn.Module()) == b""


def test_weights_that_unfold_to_more_than_they_are_are_refused():
    network = torch.nn.Linear(1000, 1000)
    saved = dump_state(network)
    compressed, doubled = io.BytesIO(), io.BytesIO(saved)
    with (
        zipfile.ZipFile(io.BytesIO(saved)) as old,
        zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with zipfile.ZipFile(doubled, "a") as archive:  # two members in one place
        (weight, *_) = (member for member in archive.infolist() if member.file_size > 10**6)
        again = copy.copy(weight)
        again.filename = "archive/data/9"
        archive.filelist.append(again)
        archive._didModify = True
    for state in (compressed.getvalue(), doubled.getvalue()):
        with pytest.raises(ValueError, match="weights are compressed"):
            load_state(state, "cpu")
    wide = io.BytesIO()
    torch.save({"weight": torch.zeros(1).expand(10**12)}, wide)
    with pytest.raises(ValueError, match="weight is larger than what was saved"):
        load_state(wide.getvalue(), "cpu")


def test_rows_of_docs():
    flat = np.arange(6).reshape(3, 2)
    assert [part.tolist() for part in rows_of_docs(flat, [1, 0, 2])] == [
        [[0, 1]],
        [],
        [[2, 3], [4, 5]],
    ]


def test_the_learn_rate_factor_scales_the_steps():
    ner = make_nlp(model={**SMALL_MODEL, "learn_rate_factor": 3.0}).get_pipe("ner")
    for model in (ner.model, ner.model.copy()):
        shim = model.layers[0].layers[-1].shims[0]  # a copy has no references
        parameter = shim._model.emissions.bias
        before = parameter.detach().clone()
        parameter.grad = torch.ones_like(parameter)
        shim.finish_update(SGD(0.1, grad_clip=0.0))
        torch.testing.assert_close(parameter.detach(), before - 0.3)


@pytest.mark.parametrize("optimizer, factor", [(SGD, 1.0), (Adam, ADAM_FACTOR)])
def test_without_a_learn_rate_factor_the_optimizer_decides(optimizer, factor):
    """For all torch networks of the model, also those of a saved one and of a copy."""
    steps = {}
    for given in (1.0, None):
        model = {**char_embed_model(), "learn_rate_factor": given}
        nlp = make_nlp(model=model)
        loaded = make_nlp(model=model).from_bytes(nlp.to_bytes())
        for name, ner in (("made", nlp), ("loaded", loaded)):
            ner.get_pipe("ner").model = ner.get_pipe("ner").model.copy()
            before = weights(ner.get_pipe("ner"))
            with_gradients(ner.get_pipe("ner").model)
            ner.get_pipe("ner").finish_update(optimizer(0.001, grad_clip=0.0))
            steps[given, name] = np.abs(weights(ner.get_pipe("ner")) - before)
    for name in ("made", "loaded"):
        np.testing.assert_allclose(
            steps[None, name], factor * steps[1.0, name], rtol=1e-2, atol=1e-6
        )
    assert (steps[None, "made"] > 0).mean() > 0.99


def with_gradients(model):
    for node in model.walk():
        for shim in node.shims:
            for parameter in shim._model.parameters():
                parameter.grad = torch.ones_like(parameter)


def test_a_number_is_not_for_the_embedding():
    model = make_nlp(model={**char_embed_model(), "learn_rate_factor": 3.0}).get_pipe("ner").model
    factors = [shim.learn_rate_factor for node in model.walk() for shim in node.shims]
    assert sorted(factors) == [1.0, 3.0]


def test_a_learn_rate_factor_of_nothing_is_refused():
    for factor in (-1.0, "nan"):
        with pytest.raises(ValueError, match=rf"factor above 0.*{factor}.*frozen_components"):
            make_nlp(model={**SMALL_MODEL, "learn_rate_factor": factor})
