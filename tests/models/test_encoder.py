"""The encoder that can be pre-trained, and its objective."""

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_bilstm_crf.models.torch_layer import shim_of
from tests.helpers import (
    CONFIG,
    ROOT,
    SMALL_MODEL,
    char_embed,
    entities,
    examples_for,
    set_windows,
    spacy_command,
    train,
)

EMBED = char_embed(width=8, filters=4)
ENCODER = {
    "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
    "hidden_width": 16,
    "embed": EMBED,
}
PRETRAINED = ROOT / "configs" / "pretrained.cfg"
SENTENCES = [
    ["We", "like", "London", "and", "we", "like", "Berlin", "."],
    ["They", "saw", "Shaka", "Khan", "in", "London", "."],
    ["Alone"],
]


def nlp_with(model):
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": {**SMALL_MODEL, **model}})
    examples = examples_for(nlp)
    optimizer = nlp.initialize(lambda: examples)
    train(nlp, examples, optimizer=optimizer, steps=40)
    return nlp


@pytest.fixture(scope="module")
def nlp():
    return nlp_with({"depth": 0, "tok2vec": ENCODER})


def docs_of(vocab, sentences=SENTENCES):
    return [Doc(vocab, words=words) for words in sentences]


def test_with_the_crf_it_is_the_network_of_a_bilstm_crf(nlp):
    other = nlp_with({"depth": 1, "hidden_width": 16, "tok2vec": EMBED})
    model, expected = (each.get_pipe("ner").model for each in (nlp, other))
    embed, bilstm = model.get_ref("tok2vec").layers
    expected.get_ref("tok2vec").from_bytes(embed.to_bytes())
    network = shim_of(expected.get_ref("output_layer"))._model
    state = {**shim_of(bilstm)._model.state_dict()}
    state.update(shim_of(model.get_ref("output_layer"))._model.state_dict())
    network.load_state_dict(state)
    docs = docs_of(nlp.vocab)
    for one, same in zip(model.predict(docs).emissions, expected.predict(docs).emissions):
        np.testing.assert_allclose(one, same, atol=1e-5)


def test_learns_comes_back_and_runs_in_processes(nlp, tmp_path):
    assert entities(nlp("I like London and Berlin.")) == [("London", "LOC"), ("Berlin", "LOC")]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    texts = ["I like London.", "Who is Shaka Khan?"] * 2
    expected = [entities(doc) for doc in nlp.pipe(texts)]
    assert [entities(doc) for doc in loaded.pipe(texts, n_process=2)] == expected


def test_a_long_doc_in_windows(nlp):
    (doc,) = docs_of(nlp.vocab, [[word for _ in range(60) for word in SENTENCES[0]]])
    model = nlp.get_pipe("ner").model
    set_windows(model, 150, 60)
    (cut,) = model.predict([doc]).emissions
    set_windows(model, None)
    (whole,) = model.predict([doc]).emissions
    set_windows(model, 1000, 100)
    np.testing.assert_allclose(cut, whole, atol=1e-3)


def objective(**config):
    settings = {"@architectures": "spacy-bilstm-crf.NextAndPreviousWord.v1", **config}
    return registry.resolve({"it": settings})["it"]


def encoder(**config):
    return registry.resolve({"it": {**ENCODER, **config}})["it"]


def test_words_beside_tokens_are_learned():
    vocab = spacy.blank("en").vocab
    docs = docs_of(vocab)
    model = objective(n_rows=500)(vocab, encoder(dropout=0.0))
    model.initialize(X=docs)
    optimizer = Adam(0.01)
    losses = []
    for _ in range(60):
        improbable, backprop = model.begin_update(docs)
        loss, gradient = model.attrs["loss"](model.ops, docs, improbable)
        backprop(gradient)
        model.finish_update(optimizer)
        losses.append(loss / len(improbable))
    assert len(improbable) == 2 * sum(len(doc) - 1 for doc in docs)
    # Before, all of the dozen words are as probable
    assert losses[0] == pytest.approx(np.log(11), abs=0.7)
    assert losses[-1] < 0.5


def test_no_state_has_seen_the_word_that_it_is_to_say():
    vocab = spacy.blank("en").vocab
    layer = encoder()
    layer.initialize(X=docs_of(vocab))
    words = SENTENCES[0]
    before, after = (
        layer.predict(docs_of(vocab, [sentence]))[0]
        for sentence in (words, [*words[:4], "Paris", *words[5:]])
    )
    width = before.shape[1] // 2
    np.testing.assert_allclose(before[:4, :width], after[:4, :width], atol=1e-6)
    np.testing.assert_allclose(before[5:, width:], after[5:, width:], atol=1e-6)
    assert (before[4] != after[4]).any()


@pytest.mark.parametrize(
    "config, message",
    [
        ({"depth": 2}, "depth = 1"),
        ({"embed": SMALL_MODEL["tok2vec"]}, "reads single words"),
        ({"embed": char_embed(span_features=["names"])}, "that sets spans"),
    ],
)
def test_encoders_that_have_seen_the_words_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        objective()(spacy.blank("en").vocab, encoder(**config))
    with pytest.raises(ValueError, match="BiLSTMEncoder"):
        objective()(spacy.blank("en").vocab, registry.resolve({"it": EMBED})["it"])


@pytest.mark.parametrize(
    "config, message",
    [
        ({"depth": 0}, "depth = 0"),
        ({"hidden_width": 0}, "hidden_width = 0"),
        ({"dropout": 1.0}, "dropout = 1.0"),
    ],
)
def test_bad_settings(config, message):
    with pytest.raises(ValueError, match=message):
        encoder(**config)


def test_weights_of_another_size_are_refused(nlp):
    weights = nlp.get_pipe("ner").model.get_ref("tok2vec").to_bytes()
    with pytest.raises(
        ValueError, match=r"hidden_width = 16, but the config .* = 8 for its BiLSTMEncoder"
    ):
        encoder(hidden_width=8).from_bytes(weights)


def test_not_initialized():
    with pytest.raises(ValueError, match="not initialized"):
        encoder().predict(docs_of(spacy.blank("en").vocab))


OBJECTIVES = {
    "ours": [],
    "characters": [
        '--pretraining.objective={"@architectures": "spacy.PretrainCharacters.v1", '
        '"maxout_pieces": 2, "hidden_size": 16, "n_characters": 2}'
    ],
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_spacy_pretrain_and_a_training_that_starts_from_it(name, corpus, tmp_path):
    raw = tmp_path / "raw.jsonl"
    srsly.write_jsonl(raw, [{"text": " ".join(words)} for words in SENTENCES[:2] * 10])
    small = ["--components.ner.model.tok2vec.hidden_width=16"]
    options = ["--paths.raw_text", raw, "--pretraining.max_epochs=2", *OBJECTIVES[name], *small]
    spacy_command("pretrain", PRETRAINED, tmp_path / "weights", *options)
    weights = tmp_path / "weights" / "model1.bin"
    short = ["--training.max_steps=1", "--training.optimizer.learn_rate=0.0", *small]
    short += ["--training.optimizer.use_averages=false"]  # of which the first is not the weights
    paths = ["--paths.train", corpus, "--paths.dev", corpus]
    kept = {}
    for what, start in (("pretrained", ["--paths.init_tok2vec", weights]), ("new", [])):
        spacy_command("train", PRETRAINED, "--output", tmp_path / what, *paths, *start, *short)
        tok2vec = (
            spacy.load(tmp_path / what / "model-last").get_pipe("ner").model.get_ref("tok2vec")
        )
        kept[what] = shim_of(tok2vec.layers[1])._model.state_dict()
    spare = registry.resolve({"it": {**ENCODER, "embed": char_embed()}})["it"]
    expected = shim_of(spare.from_bytes(weights.read_bytes()).layers[1])._model.state_dict()
    for key, values in expected.items():
        assert torch.equal(values, kept["pretrained"][key])
        assert not torch.equal(values, kept["new"][key]) or "bias" in key


def test_the_config_trains_without_raw_text(corpus, tmp_path):
    short = ["--training.max_steps=2", "--paths.train", corpus, "--paths.dev", corpus]
    spacy_command("train", PRETRAINED, "--output", tmp_path, *short)
    assert CONFIG.exists() and spacy.load(tmp_path / "model-last").pipe_names == ["ner"]
