"""The component in training: losses, gradients, dropout, averages, rehearsal."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Span
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from spacy.util import fix_random_seed

from tests.helpers import (
    SMALL_MODEL,
    TRAIN_DATA,
    entities,
    examples_for,
    make_nlp,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("kind_of_arrays")


def test_gradients_add_up_until_finish_update():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    before = weights(ner)
    losses = {}
    for sgd in (None, False):
        ner.update(examples_for(nlp), sgd=sgd, losses=losses)
        np.testing.assert_array_equal(weights(ner), before)
    network = ner.model.get_ref("output_layer").shims[0]._model
    twice = network.emissions.bias.grad.clone()
    ner.finish_update(nlp.create_optimizer())
    assert np.abs(weights(ner) - before).max() > 0
    assert network.emissions.bias.grad is None
    nlp2 = make_nlp()
    nlp2.get_pipe("ner").update(examples_for(nlp2))
    once = nlp2.get_pipe("ner").model.get_ref("output_layer").shims[0]._model.emissions.bias.grad
    torch.testing.assert_close(twice, 2 * once)


def gradients(pipe):
    """The gradients that an optimizer gets, by which weights they are of; nothing is changed."""
    found = []

    def keep(key, weights, gradient):
        found.append(np.array(gradient).ravel())
        gradient.fill(0.0)  # as optimizers leave it
        return weights, gradient

    pipe.finish_update(keep)
    return np.concatenate(found)


MORE_DATA = [*TRAIN_DATA, ("Is London in the rain?", {"entities": [(3, 9, "LOC")]}), ("No", {})]


def accumulated(pipe, examples, parts):
    """What `training.accumulate_gradient` does, up to the update."""
    for part in subdivide_batch(examples, parts):
        pipe.update(part, sgd=False)
    return gradients(pipe)


@pytest.mark.parametrize("factory", ["ner", "bilstm_crf_ner"])
def test_accumulated_gradients_are_those_of_the_whole_batch(factory):
    # The parts are of different sizes, and one has a doc without annotation
    nlp = make_nlp(factory)
    ner, examples = nlp.get_pipe("ner"), examples_for(nlp, MORE_DATA + TRAIN_DATA)
    assert [len(part) for part in subdivide_batch(examples, 4)] == [1, 1, 1, 1, 2]
    whole = accumulated(ner, examples, 1)
    for parts in (4, 2, 6, 1):
        found = accumulated(ner, examples, parts)
        # The stock one's parser cuts sequences at random places
        assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(whole), rel=0.3)
        if factory != "ner":
            np.testing.assert_allclose(found, whole, atol=1e-6)


def test_an_update_from_one_batch_is_what_it_was():
    nlp = make_nlp()
    ner, examples = nlp.get_pipe("ner"), examples_for(nlp, MORE_DATA)
    potentials, backprop = ner.model.begin_update([eg.predicted for eg in examples])
    loss, gradient = ner.get_loss(examples, potentials)
    backprop(gradient)
    by_hand = gradients(ner)
    losses = {}
    ner.update(examples, sgd=False, losses=losses)
    np.testing.assert_array_equal(gradients(ner), by_hand)
    assert losses["ner"] == loss


def test_accumulated_losses_and_gradients_of_a_shared_tok2vec():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    config = {"model": {**SMALL_MODEL, "tok2vec": listener}}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config=config)
    examples = examples_for(nlp, TRAIN_DATA + TRAIN_DATA)
    nlp.initialize(lambda: examples)

    def update(parts):
        losses = {}
        for part in subdivide_batch(examples, parts):
            nlp.update(part, sgd=False, losses=losses)
        found = gradients(nlp.get_pipe("tok2vec"))
        gradients(nlp.get_pipe("ner"))
        return losses["ner"], found

    loss, whole = update(1)
    update(2)  # from which the number of parts is known
    loss_of_parts, of_parts = update(2)
    assert loss_of_parts == pytest.approx(loss, rel=1e-4)
    np.testing.assert_allclose(of_parts, whole, atol=1e-6)


def test_loss_is_the_mean_over_annotated_docs():
    nlp = make_nlp()
    train(nlp, examples_for(nlp), steps=5)
    ner = nlp.get_pipe("ner")

    def loss(examples):
        return ner.get_loss(examples, ner.model.predict([eg.predicted for eg in examples]))[0]

    examples = examples_for(nlp)
    unannotated = examples_for(nlp, [("Nothing known", {})])
    mean = sum(loss([eg]) for eg in examples) / 2
    assert loss(examples) == pytest.approx(mean, rel=1e-5)
    assert loss(examples + unannotated) == pytest.approx(mean, rel=1e-5)


def test_docs_with_nothing_but_incorrect_spans_count():
    nlp = make_nlp(incorrect_spans_key="wrong")
    train(nlp, examples_for(nlp), steps=5)
    ner = nlp.get_pipe("ner")
    example = Example.from_dict(nlp.make_doc("I like London"), {})
    example.reference.spans["wrong"] = [Span(example.reference, 2, 3, "LOC")]
    potentials = ner.model.predict([example.predicted])
    once, _ = ner.get_loss([example], potentials)
    potentials.emissions *= 2  # the same doc, again
    twice, _ = ner.get_loss([example, example], potentials)
    assert once > 0
    assert twice == pytest.approx(once)


def test_gradient_agrees_with_finite_differences():
    nlp = make_nlp()
    train(nlp, examples_for(nlp), steps=2)
    ner = nlp.get_pipe("ner")
    examples = examples_for(nlp)
    potentials = ner.model.predict([eg.predicted for eg in examples])
    _, gradient = ner.get_loss(examples, potentials)
    for array, d_array in [
        (potentials.emissions[1], gradient.emissions[1]),
        (potentials.transitions, gradient.transitions),
        (potentials.start, gradient.start),
    ]:
        place = np.unravel_index(np.abs(d_array).argmax(), d_array.shape)
        old = array[place]
        array[place] = old + 0.01
        up, _ = ner.get_loss(examples, potentials)
        array[place] = old - 0.01
        down, _ = ner.get_loss(examples, potentials)
        array[place] = old
        assert (up - down) / 0.02 == pytest.approx(d_array[place], rel=1e-2)


def test_partial_annotation_trains_and_leaves_the_rest_free():
    nlp = make_nlp()
    # Only "London" is known; nothing is said about the other tokens
    example = Example.from_dict(
        nlp.make_doc("I like London and Berlin."), {"entities": ["-", "-", "U-LOC", "-", "-", "-"]}
    )
    train(nlp, [example])
    assert ("London", "LOC") in entities(nlp("I like London and Berlin."))
    _, gradient = nlp.get_pipe("ner").get_loss(
        [example], nlp.get_pipe("ner").model.predict([example.predicted])
    )
    assert np.isfinite(gradient.emissions[0]).all()


def test_dropout_of_training_reaches_the_network():
    nlp = make_nlp()
    train(nlp, examples_for(nlp), steps=2)
    ner = nlp.get_pipe("ner")

    def losses(drop):
        fix_random_seed(1)
        return [ner.update(examples_for(nlp), drop=drop)["ner"] for _ in range(2)]

    steady, noisy = losses(0.0), losses(0.5)
    assert steady[0] == steady[1]
    assert noisy[0] != noisy[1]
    ner.model.get_ref("tok2vec").attrs.pop("dropout_rate", None)
    assert ner.model.get_ref("output_layer").attrs["dropout_rate"] == 0.5


def test_dropout_of_the_architecture_overrides_it():
    nlp = make_nlp(model={**SMALL_MODEL, "dropout": 0.25})
    nlp.update(examples_for(nlp), drop=0.5)
    bilstm = nlp.get_pipe("ner").model.get_ref("output_layer")
    assert bilstm.attrs["fixed_dropout_rate"].value == 0.25
    assert "dropout_rate" not in bilstm.attrs


def test_nan_stops_training_and_prediction():
    nlp = make_nlp()
    network = nlp.get_pipe("ner").model.get_ref("output_layer").shims[0]._model
    network.emissions.bias.data[0] = float("nan")
    for act in (lambda: nlp("London"), lambda: nlp.update(examples_for(nlp))):
        with pytest.raises(ValueError, match=r"'ner' are NaN.*learn_rate"):
            act()


def test_averages_are_used_and_put_back():
    nlp = make_nlp()
    optimizer = nlp.create_optimizer()
    optimizer.averages = {}
    train(nlp, examples_for(nlp), steps=5, optimizer=optimizer)
    ner = nlp.get_pipe("ner")
    last = weights(ner)
    shim = ner.model.get_ref("output_layer").shims[0]
    average = optimizer.averages[(shim.id, "emissions.weight")]
    with nlp.use_params(optimizer.averages):
        torch.testing.assert_close(shim._model.emissions.weight.data, torch.tensor(average))
        averaged = weights(ner)
    assert np.abs(averaged - last).max() > 0
    np.testing.assert_array_equal(weights(ner), last)


def test_rehearsal_moves_towards_the_old_model(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    ner = nlp.get_pipe("ner")
    optimizer = nlp.resume_training()
    ner.add_label("DRINK")  # the teacher does not know it, and has no say about it
    optimizer.learn_rate = 0.01
    for parameter in ner.model.get_ref("output_layer").shims[0]._model.emissions.parameters():
        parameter.data += torch.randn_like(parameter)
    raw = examples_for(nlp, [("I like London and Berlin.", {}), ("Who is Shaka Khan?", {})])
    history = [nlp.rehearse(raw, sgd=optimizer)["ner"] for _ in range(40)]
    assert history[0] > 0.05
    assert history[-1] < history[0] / 10
    assert min(history) > -1e-6


def test_rehearsal_without_a_teacher_does_nothing(trained):
    before = weights(trained.get_pipe("ner"))
    assert trained.rehearse(examples_for(trained)) == {"ner": 0.0}
    np.testing.assert_array_equal(weights(trained.get_pipe("ner")), before)


def test_same_seed_same_weights():
    found = []
    for _ in range(2):
        fix_random_seed(3)
        nlp = make_nlp()
        train(nlp, examples_for(nlp), steps=10, drop=0.3)
        found.append(weights(nlp.get_pipe("ner")))
    np.testing.assert_array_equal(*found)


def test_a_generator_of_examples_is_learned_from():
    nlp = make_nlp()
    before = weights(nlp.get_pipe("ner"))
    examples = examples_for(nlp)
    ner = nlp.get_pipe("ner")
    losses = ner.update((eg for eg in examples), sgd=nlp.create_optimizer())
    assert losses["ner"] > 0.0
    assert (weights(ner) != before).any()
