"""What the expected entity rate adds to the loss, and what it is for."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.potentials import Potentials
from tests.helpers import entities, make_nlp, train

RATE = {"rate": 0.3, "margin": 0.05, "weight": 10.0}


def example(nlp, words, known, default="missing"):
    """An example in which only some entities are annotated."""
    reference = Doc(nlp.vocab, words=words)
    spans = [Span(reference, start, end, label=label) for start, end, label in known]
    reference.set_ents(spans, default=default)
    return Example(Doc(nlp.vocab, words=words), reference)


@pytest.fixture
def nlp():
    nlp = make_nlp(entity_ratio=RATE)
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.nn.init.normal_(network.emissions.weight, std=2.0)
    return nlp


def loss_of(nlp, examples, setting, potentials=None):
    ner = nlp.get_pipe("ner")
    ner.cfg["entity_ratio"] = setting
    if potentials is None:
        potentials = ner.model.predict([eg.predicted for eg in examples])
    return ner.get_loss(examples, potentials)


def expected_share(nlp, examples):
    ner = nlp.get_pipe("ner")
    found = np.concatenate(ner.token_probabilities([eg.predicted for eg in examples]))
    return 1 - found[:, 0].mean()


@pytest.mark.parametrize("rate", [0.01, 0.9, None])
def test_the_distance_from_the_rate_is_added(nlp, rate):
    incomplete = [
        example(nlp, ["Who", "is", "Shaka", "Khan"], [(2, 4, "PERSON")]),
        example(nlp, ["I", "like", "London"], []),
    ]
    complete = example(nlp, ["Berlin"], [(0, 1, "LOC")], default="outside")
    examples = [*incomplete, complete]
    share = expected_share(nlp, incomplete)
    rate = share + 0.03 if rate is None else rate  # within the margin
    with_rate, _ = loss_of(nlp, examples, {**RATE, "rate": rate})
    without, _ = loss_of(nlp, examples, None)
    excess = max(0.0, abs(share - rate) - 0.05)
    assert with_rate - without == pytest.approx(10.0 * excess, abs=1e-4)


def test_the_gradient_is_that_of_the_loss(nlp):
    examples = [
        example(nlp, ["Who", "is", "Shaka", "Khan"], [(2, 4, "PERSON")]),
        example(nlp, ["Berlin"], [(0, 1, "LOC")], default="outside"),
    ]
    setting = {**RATE, "rate": 0.95}
    ner = nlp.get_pipe("ner")
    scores = ner.model.predict([eg.predicted for eg in examples])
    _, gradient = loss_of(nlp, examples, setting, scores)
    rng = np.random.default_rng(0)

    def like(array):
        return rng.normal(size=array.shape).astype("float32")

    direction = Potentials(
        [like(doc) for doc in scores.emissions],
        like(scores.transitions),
        like(scores.start),
        like(scores.end),
    )
    up, down = (
        loss_of(nlp, examples, setting, scores.plus(direction.scaled(step)))[0]
        for step in (1e-2, -1e-2)
    )
    assert gradient.dot(direction) == pytest.approx((up - down) / 2e-2, rel=1e-2)


def test_learning_from_entities_alone():
    names = ["Ada", "Grace", "Alan", "Emmy", "Sofja", "Carl"]
    verbs = ["likes", "saw", "met", "heard"]
    places = ["London", "Berlin", "Paris", "Rome"]
    texts = [
        ["Yesterday", name, verb, "the", "old", "town", "of", place, "again"]
        for name in names
        for verb, place in zip(verbs, places, strict=True)
    ]

    def trained(setting):
        nlp = make_nlp(entity_ratio=setting)
        # One entity of each text is known, and no token is known to be outside
        examples = [
            example(nlp, text, [(1, 2, "PERSON")] if (i + i // 4) % 2 else [(7, 8, "LOC")])
            for i, text in enumerate(texts)
        ]
        train(nlp, examples, steps=40)
        return nlp

    nlp = trained({"rate": 2 / 9, "margin": 0.02, "weight": 10.0})
    docs = [nlp(Doc(nlp.vocab, words=text)) for text in texts]
    expected = [[(text[1], "PERSON"), (text[7], "LOC")] for text in texts]
    assert [entities(doc) for doc in docs] == expected
    # Without the prior nothing says that there is anything but entities
    doc = trained(None)(Doc(nlp.vocab, words=texts[0]))
    assert sum(len(ent) for ent in doc.ents) == len(doc)


def test_docs_without_annotation_train_too(nlp):
    examples = [example(nlp, ["I", "like", "London"], [])]
    assert not examples[0].reference.has_annotation("ENT_IOB")
    losses = {}
    nlp.update(examples, losses=losses)
    assert losses["ner"] > 0.0
    nlp.get_pipe("ner").cfg["entity_ratio"] = None
    losses = {}
    nlp.update(examples, losses=losses)
    assert losses["ner"] == 0.0


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"margin": 0.1}, "must have a rate"),
        ({"rate": 0.1, "speed": 1.0}, "must have a rate"),
        ({"rate": 15.0}, "between 0 and 1"),
        ({"rate": 0.1, "weight": 0.0}, "weight above 0"),
    ],
)
def test_a_wrong_setting_is_named(setting, message):
    with pytest.raises(ValueError, match=f"entity_ratio of 'ner'.*{message}"):
        make_nlp(entity_ratio=setting)


# Adding a label without forgetting those before

NAMES = ["Ada", "Grace", "Alan", "Emmy", "Sofja", "Carl", "Kurt", "Mary"]
PLACES = ["London", "Berlin", "Paris", "Rome", "Oslo", "Bern"]
DRINKS = ["tea", "coffee", "milk", "water"]


def sentences(rng, number):
    """Words and entities: who drinks what where."""
    for _ in range(number):
        name, place, drink = (str(rng.choice(words)) for words in (NAMES, PLACES, DRINKS))
        yield (
            ["In", place, "the", "young", name, "often", "orders", "hot", drink, "again"],
            [(1, 2, "LOC"), (4, 5, "PERSON"), (8, 9, "DRINK")],
        )


def f_of(nlp, data, labels):
    examples = [
        example(nlp, words, [ent for ent in ents if ent[2] in labels], default="outside")
        for words, ents in data
    ]
    scores = nlp.evaluate(examples)["ents_per_type"]
    return [scores[label]["f"] for label in labels]


def test_a_new_label_without_forgetting_the_old_ones(tmp_path):
    rng = np.random.default_rng(0)
    train_data, more, test_data = (list(sentences(rng, n)) for n in (60, 40, 100))
    nlp = make_nlp()
    known = [
        example(nlp, words, [ent for ent in ents if ent[2] != "DRINK"], default="outside")
        for words, ents in train_data
    ]
    train(nlp, known, steps=40)
    before = f_of(nlp, test_data, ["LOC", "PERSON"])
    assert min(before) > 0.95
    nlp.to_disk(tmp_path)

    nlp = spacy.load(tmp_path)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    ner = nlp.get_pipe("ner")
    ner.add_label("DRINK")
    # Nothing is said of any other token: persons and places are there, but not marked
    ner.cfg["entity_ratio"] = {"rate": 0.3, "margin": 0.02}
    new = [example(nlp, words, [ent for ent in ents if ent[2] == "DRINK"]) for words, ents in more]
    raw = [example(nlp, words, []) for words, _ in more]
    for _ in range(40):
        nlp.update(new, sgd=optimizer)
        nlp.rehearse(raw, sgd=optimizer)
    after = f_of(nlp, test_data, ["LOC", "PERSON"])
    assert min(now - then for now, then in zip(after, before, strict=True)) > -0.03
    assert f_of(nlp, test_data, ["DRINK"])[0] > 0.95
