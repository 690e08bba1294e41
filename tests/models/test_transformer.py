"""A transformer under the BiLSTM-CRF, by the shipped config. The transformer is made here."""

import json

import numpy as np
import pytest
import spacy
import torch

from tests.helpers import CONFIG, TRAIN_DATA, entities, examples_for, spacy_command, weights
from tests.tiny_bert import make_tiny_bert

pytest.importorskip("spacy_transformers", reason="needs the [transformers] extra")
from transformers import BertModel


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory):
    return make_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def model(tiny_bert, paths, tmp_path_factory):
    output = tmp_path_factory.mktemp("training")
    small = [
        "--components.ner.model.hidden_width=32",
        "--training.optimizer.learn_rate.initial_rate=0.01",
        "--training.optimizer.learn_rate.warmup_steps=5",
        "--training.eval_frequency=20",
        "--training.max_steps=60",
        "--training.logger.progress_bar=null",
    ]
    config = CONFIG.with_name("transformer.cfg")
    arguments = [*paths, f"--paths.transformer={tiny_bert}", *small]
    spacy_command("train", config, "--output", output, *arguments)
    return output / "model-best"


def test_the_shipped_config_trains_and_comes_back_from_disk(model):
    nlp = spacy.load(model)
    assert nlp.pipe_names == ["transformer", "ner"]
    assert json.loads((model / "meta.json").read_text())["performance"]["ents_f"] == 1.0
    expected = [("London", "LOC"), ("Berlin", "LOC")]
    assert entities(nlp("I like London and Berlin.")) == expected
    assert entities(nlp("")) == []
    assert [entities(doc) for doc in nlp.pipe(["", "I like London and Berlin."])][1] == expected


def test_the_transformer_is_fine_tuned(model, tiny_bert):
    before = BertModel.from_pretrained(tiny_bert).state_dict()
    after = spacy.load(model).get_pipe("transformer").model.transformer.state_dict()
    name = "encoder.layer.0.output.dense.weight"
    assert not torch.equal(before[name], after[name])


def test_training_goes_on_and_the_transformer_gets_a_gradient(model):
    nlp = spacy.load(model)
    optimizer = nlp.resume_training()
    before = weights(nlp.get_pipe("transformer"))
    optimizer.learn_rate = 0.01  # the schedule's first is 0
    examples = examples_for(nlp, [*TRAIN_DATA, ("", {"entities": []})])
    for _ in range(2):  # nlp.update gives a transformer the listeners' gradients a step later
        nlp.update(examples, sgd=optimizer)
    assert not np.array_equal(before, weights(nlp.get_pipe("transformer")))


def test_a_frozen_transformer_stays_and_still_feeds_the_ner(model):
    nlp = spacy.load(model)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    before = weights(nlp.get_pipe("transformer"))
    only_ner = {"exclude": ["transformer"], "annotates": ["transformer"]}
    for _ in range(2):
        nlp.update(examples_for(nlp), sgd=optimizer, **only_ner)
    assert np.array_equal(before, weights(nlp.get_pipe("transformer")))


def test_a_config_of_spacys_own_in_which_ner_was_replaced(tiny_bert, paths, tmp_path):
    stock, replaced = tmp_path / "stock.cfg", tmp_path / "replaced.cfg"
    spacy_command("init", "config", stock, "--pipeline", "ner,tagger", "--gpu")
    spacy_command("bilstm-crf", "replace-ner", stock, replaced)
    settings = {
        "components.transformer.model.name": tiny_bert,
        "components.transformer.model.tokenizer_config": json.dumps({"use_fast": True}),
        "system.gpu_allocator": "null",
        "training.max_steps": 4,
        "training.eval_frequency": 2,
    }
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    # No tags are annotated
    arguments += ["--nlp.pipeline", json.dumps(["transformer", "ner"])]
    spacy_command("train", replaced, "--output", tmp_path / "out", *paths, *arguments)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.get_pipe_meta("ner").factory == "bilstm_crf_ner"
    assert nlp.get_pipe("transformer").listening_components == ["ner"]
