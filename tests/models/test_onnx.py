"""Exported networks: torch's own are the oracle."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_bilstm_crf import models
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.models import onnx as onnx_module
from spacy_bilstm_crf.models.onnx import Recurrent
from spacy_bilstm_crf.models.onnx_graphs import LSTMWeights, recurrent_graph
from tests.helpers import SMALL_MODEL, char_embed, make_nlp, set_windows

WORDS = [
    *("the", "cat,", "Berlin", "1987", "U.S.", "café", "İstanbul", "東京", "a-", "x"),
    *("anglo-swiss", "unheard-of-and-long"),
]
EMBED = {"width": 12, "char_width": 5, "attr_width": 3}
PREFIX = "spacy-bilstm-crf."


def on_top_of(tok2vec, **settings):
    return {**SMALL_MODEL, "hidden_width": 7, "tok2vec": tok2vec, **settings}


def encoder(**settings):
    block = {"@architectures": f"{PREFIX}BiLSTMEncoder.v1", "hidden_width": 6, **settings}
    return {**block, "embed": char_embed(**EMBED)}


CNN = on_top_of(char_embed(**EMBED, filters=6))
CONTEXT = {"@architectures": f"{PREFIX}DocumentContext.v1", "tok2vec": encoder(depth=2)}
MODELS = {
    "characters by a CNN": CNN,
    "an even window": on_top_of(char_embed(**EMBED, filters=6, window=4)),
    "a window of one": on_top_of(char_embed(**EMBED, filters=6, window=1)),
    "characters by a BiLSTM": on_top_of(char_embed("CharBiLSTMEmbed", **EMBED, char_hidden=6)),
    "two layers": on_top_of(char_embed(**EMBED), depth=2),
    "words as they are": on_top_of(
        char_embed(**EMBED, lower=False, zero_digits=False, casing=False, max_chars=4)
    ),
    "attributes": on_top_of(char_embed(**EMBED, attrs=["SHAPE", "POS", "ENT_TYPE"])),
    "spans": on_top_of(char_embed(**EMBED, span_features=["names", "places"], span_width=3)),
    "an encoder below": on_top_of(encoder(), depth=0),
    "context of the doc": on_top_of(CONTEXT),
    "by sentence": on_top_of(char_embed(**EMBED), by_sentence=True),
    "spaCy's layers": on_top_of(SMALL_MODEL["tok2vec"]),
    "an ensemble": {"@architectures": f"{PREFIX}Ensemble.v1", "*": {"0": CNN, "1": CNN}},
}


def make_docs(vocab, lengths=(3, 0, 1, 12, 40, 3), seed=0):
    rng = np.random.default_rng(seed)
    docs = [Doc(vocab, words=rng.choice(WORDS, length).tolist()) for length in lengths]
    for doc in docs:
        doc.spans["names"], doc.spans["places"] = [], []
        for token in doc:
            token.pos_ = str(rng.choice(["NOUN", "VERB"]))
            token.is_sent_start = token.i % 4 == 0
        if len(doc) > 3:
            doc.spans["names"] = [Span(doc, 0, 3, "A"), Span(doc, 2, 3, "B"), Span(doc, 2, 3, "B")]
    return docs


def with_random_weights(block, scale=0.5):
    nlp = make_nlp(model=block)
    model = nlp.get_pipe("ner").model
    torch.manual_seed(0)
    model.begin_update(make_docs(nlp.vocab, [20], seed=1))  # some of the words get vectors
    for node in model.walk():
        for shim in node.shims:
            for parameter in shim._model.parameters():
                torch.nn.init.normal_(parameter, std=scale)
    return nlp, model


def arrays(potentials):
    return [*potentials.emissions, potentials.transitions, potentials.start, potentials.end]


def assert_equal(found, expected, atol):
    for ours, theirs in zip(arrays(found), arrays(expected), strict=True):
        assert type(ours) is np.ndarray and ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("block", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("precision, atol", [("float32", 2e-5), ("int8", 0.5)])
def test_exported_models_predict_what_they_were_trained_to(block, precision, atol):
    nlp, model = with_random_weights(block)
    given, samples = nlp.get_pipe_config("ner")["model"], make_docs(nlp.vocab, seed=2)
    new, config = models.export_model(model, given, precision, samples)
    docs = make_docs(nlp.vocab)
    expected = model.predict(docs)
    assert_equal(new.predict(docs), expected, atol)
    if precision == "int8":  # and not just within a wide bound
        found = np.concatenate([x.ravel() for x in new.predict(docs).emissions])
        theirs = np.concatenate([x.ravel() for x in expected.emissions])
        assert np.corrcoef(found, theirs)[0, 1] > 0.999
    # From its config and bytes it comes back, with those of spaCy's layers
    loaded = spacy.registry.resolve({"model": config})["model"].from_bytes(new.to_bytes())
    for copied in (loaded, pickle.loads(pickle.dumps(new)), deepcopy(new), new.copy()):
        assert_equal(copied.predict(docs), new.predict(docs), 0.0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["characters by a CNN", "two layers", "context of the doc"])
def test_a_doc_does_not_depend_on_its_batch(name, precision):
    nlp, model = with_random_weights(MODELS[name], scale=1.0)
    block = nlp.get_pipe_config("ner")["model"]
    new, _ = models.export_model(model, block, precision, make_docs(nlp.vocab, seed=2))
    docs = make_docs(nlp.vocab, [1, 30, 2, 0, 30, 7, 29, 100])
    together = new.predict(docs).emissions
    for doc, scores in zip(docs, together):
        if len(doc):
            np.testing.assert_allclose(new.predict([doc]).emissions[0], scores, rtol=0, atol=1e-6)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    scale=st.floats(0.1, 20.0),
    depth=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
def test_quantized_states_of_a_sequence_are_its_own(lengths, scale, depth, seed):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    units, n_inputs = 5, 4
    widths = [n_inputs, *[2 * units] * (depth - 1)]
    layers = [LSTMWeights(normal(2, 20, w), normal(2, 20, units), normal(2, 20)) for w in widths]
    largest = np.abs(normal(n_inputs)) + 0.1
    network = Recurrent({"graph": recurrent_graph(layers, None, n_inputs, largest)})
    vectors = [scale * normal(length, n_inputs) for length in lengths]
    together = network(vectors)
    for alone, states in zip(vectors, together):
        np.testing.assert_array_equal(network([alone])[0], states)


def test_windows_are_those_of_the_config():
    nlp, model = with_random_weights(CNN)
    new, config = models.export_model(model, nlp.get_pipe_config("ner")["model"])
    assert config["@architectures"] == f"{PREFIX}ONNX.v1"
    docs = make_docs(nlp.vocab, [300, 10])
    for each in (model, new):
        set_windows(each, 100, 20)
    assert_equal(new.predict(docs), model.predict(docs), 2e-5)


def test_no_docs_and_docs_without_tokens():
    nlp, model = with_random_weights(CNN)
    new, _ = models.export_model(model, nlp.get_pipe_config("ner")["model"])
    assert new.predict([]).emissions == []
    assert [len(x) for x in new.predict([Doc(nlp.vocab), Doc(nlp.vocab)]).emissions] == [0, 0]


def test_what_was_not_trained_or_is_anothers_is_refused():
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": CNN})
    block = nlp.get_pipe_config("ner")["model"]
    with pytest.raises(UserError, match="not trained"):
        models.export_model(ner.model, block)
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1"}
    for other in (listener, {"@architectures": "my-package.Embed.v1"}):
        with pytest.raises(UserError, match=f"'{other['@architectures']}' can't be exported"):
            models.export_model(ner.model, {**block, "tok2vec": other})


def test_spacys_own_layers_of_torch_are_refused():
    block = on_top_of(
        {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": SMALL_MODEL["tok2vec"],
            "encode": {
                "@architectures": "spacy.TorchBiLSTMEncoder.v1",
                "width": 32,
                "depth": 1,
                "dropout": 0.1,
            },
        }
    )
    nlp, model = with_random_weights(block)
    with pytest.raises(UserError, match="needs torch: it can't be exported"):
        models.export_model(model, nlp.get_pipe_config("ner")["model"])


def test_training_is_refused():
    nlp, model = with_random_weights(CNN)
    new, config = models.export_model(model, nlp.get_pipe_config("ner")["model"])
    docs = make_docs(nlp.vocab)
    for fail in (
        lambda: new.begin_update(docs),
        lambda: new.initialize(X=docs),
        lambda: new.attrs["resize_output"](new, 99),
        lambda: spacy.registry.resolve({"model": config})["model"].predict(docs),
    ):
        with pytest.raises(ValueError, match="train the pipeline that it was exported"):
            fail()


def test_without_onnx_runtime_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        onnx_module, "check_installed", lambda *given: (_ for _ in ()).throw(UserError(given))
    )
    with pytest.raises(UserError, match="onnxruntime"):
        models.ONNXEmbed()


def test_another_vocabulary_without_the_vectors_is_refused():
    nlp, model = with_random_weights(CNN)
    new, _ = models.export_model(model, nlp.get_pipe_config("ner")["model"])
    vocab = Vocab()
    vocab.set_vector("cat", np.ones(3, dtype=np.float32))
    with pytest.raises(ValueError, match="width"):
        new.predict(make_docs(vocab))


def test_a_large_input_leaves_digits_to_the_others():
    rng = np.random.default_rng(0)
    scales = np.where(np.arange(8) == 3, 50.0, 1.0).astype(np.float32)
    shapes = [(2, 24, 8), (2, 24, 6), (2, 24)]
    inputs, hidden, bias = (rng.normal(size=shape, scale=0.5).astype("f") for shape in shapes)
    layers = [LSTMWeights(inputs / scales, hidden, bias)]
    vectors = [rng.uniform(-1, 1, size=(20, 8)).astype("f") * scales]
    exact, rounded = (
        Recurrent({"graph": recurrent_graph(layers, None, 8, largest)})(vectors)[0]
        for largest in (None, scales)
    )
    assert np.abs(exact - rounded).max() < 0.05
