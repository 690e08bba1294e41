"""Training, saving, loading and prediction do not depend on torch's global defaults."""

from contextlib import contextmanager

import numpy as np
import pytest
import spacy
import torch
from spacy.util import fix_random_seed

from tests.helpers import SMALL_MODEL, char_embed_model, entities, examples_for, make_nlp, train


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def without_gradients():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


DEFAULTS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: default_device("meta"),
    "no gradients": without_gradients,
    "deterministic": deterministic,
}
MODELS = {
    "hashes": SMALL_MODEL,
    "CharCNNEmbed": char_embed_model("CharCNNEmbed"),
    "CharBiLSTMEmbed": char_embed_model("CharBiLSTMEmbed"),
}


def life_of_a_pipeline(model, folder):
    """What comes out of training, rehearsal, calibration, saving, loading and prediction."""
    fix_random_seed(0)
    nlp = make_nlp(model=model, candidates_threshold=0.1)
    examples = examples_for(nlp)
    loss = train(nlp, examples, steps=20, drop=0.1)
    optimizer = nlp.resume_training()
    nlp.get_pipe("ner").add_label("DATE")
    nlp.rehearse(examples, sgd=optimizer)
    calibration = nlp.get_pipe("ner").calibrate(examples)
    nlp.to_disk(folder)
    loaded = spacy.load(folder)
    docs = list(loaded.pipe(["I like London and Berlin.", "Who is Shaka Khan?", ""]))
    ner = loaded.get_pipe("ner")
    numbers = [loss, calibration.temperature, *ner.entropy(docs)]
    numbers += [ent._.confidence for doc in docs for ent in doc.ents]
    numbers += [p for _, p in ner.k_best(docs[0], 3)]
    assert all(array.dtype == np.float32 for array in ner.emissions(docs))
    return [entities(doc) for doc in docs], numbers


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("defaults", DEFAULTS)
def test_defaults_change_nothing(defaults, model, tmp_path):
    expected, numbers = life_of_a_pipeline(MODELS[model], tmp_path / "plain")
    with DEFAULTS[defaults]():
        found, same_numbers = life_of_a_pipeline(MODELS[model], tmp_path / "changed")
    assert found == expected
    assert same_numbers == pytest.approx(numbers, rel=1e-4)


def test_prediction_in_inference_mode():
    nlp = make_nlp()
    expected = entities(nlp("Who is Khan"))
    with torch.inference_mode():
        assert entities(nlp("Who is Khan")) == expected
