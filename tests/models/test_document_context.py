"""What the document says beside each token."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, NumpyOps

from spacy_bilstm_crf.models import with_windows as windows
from tests.helpers import (
    ROOT,
    SMALL_MODEL,
    char_embed,
    entities,
    examples_for,
    set_windows,
    spacy_command,
    train,
)

CONFIG = ROOT / "configs" / "document_context.cfg"
ENCODER = {
    "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
    "hidden_width": 8,
    "embed": char_embed(width=8, filters=4),
}
CONTEXT = {"@architectures": "spacy-bilstm-crf.DocumentContext.v1", "tok2vec": ENCODER}
WORDS = st.lists(st.sampled_from(["Ada", "ADA", "met", "Bob", "."]), max_size=8)
VOCAB = spacy.blank("en").vocab


def context_of(tok2vec, **config):
    """The layer on a tok2vec that is there already."""
    make = registry.architectures.get("spacy-bilstm-crf.DocumentContext.v1")
    return make(tok2vec, **config)


def random_vectors(docs, width=3):
    """A layer with random vectors for docs, and what it was given to go back with."""
    generator = np.random.default_rng(0)
    vectors = [generator.normal(size=(len(doc), width)).astype("f") for doc in docs]
    gradients = []

    def forward(model, X, is_train):
        return vectors, lambda d_vectors: gradients.append(d_vectors) or X

    return Model("random", forward, dims={"nO": width}), vectors, gradients


def expected(words, vectors):
    """Token by token: the mean over the places of its word, and over all of the doc."""
    lower = [word.lower() for word in words]
    for word, vector in zip(lower, vectors):
        places = [other for other, its in zip(vectors, lower) if its == word]
        yield np.concatenate([vector, np.mean(places, axis=0), np.mean(vectors, axis=0)])


@given(st.lists(WORDS, max_size=4))
def test_means_are_those_of_a_word_s_places_and_of_the_doc(sentences):
    docs = [Doc(VOCAB, words=words) for words in sentences]
    tok2vec, vectors, _ = random_vectors(docs)
    model = context_of(tok2vec)
    model.initialize()
    for words, found, given_ in zip(sentences, model.predict(docs), vectors):
        assert found.shape == (len(words), 9)
        for row, right in zip(found, expected(words, given_)):
            np.testing.assert_allclose(row, right, atol=1e-5)


@given(
    st.lists(WORDS, min_size=1, max_size=3),
    st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_gradients_are_those_of_differences(sentences, parts):
    docs = [Doc(VOCAB, words=words) for words in sentences]
    tok2vec, vectors, gradients = random_vectors(docs)
    model = context_of(tok2vec, recurring_words=parts[0], document_vector=parts[1])
    model.initialize()
    generator = np.random.default_rng(1)
    outputs, backprop = model.begin_update(docs)
    weights = [generator.normal(size=each.shape).astype("f") for each in outputs]
    backprop(weights)
    # What is a linear map: a step of 1 gives the derivative
    before = sum(float((w * y).sum()) for w, y in zip(weights, outputs))
    for doc_vectors, gradient in zip(vectors, gradients[0]):
        for place in np.ndindex(*doc_vectors.shape):
            doc_vectors[place] += 1
            after = sum(float((w * y).sum()) for w, y in zip(weights, model.predict(docs)))
            doc_vectors[place] -= 1
            assert after - before == pytest.approx(gradient[place], abs=1e-3)


def nlp_with(**model):
    nlp = spacy.blank("en")
    config = {**SMALL_MODEL, "depth": 0, "tok2vec": CONTEXT, **model}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": config})
    examples = examples_for(nlp)
    train(nlp, examples, optimizer=nlp.initialize(lambda: examples), steps=60)
    return nlp


@pytest.fixture(scope="module")
def nlp():
    return nlp_with()


@pytest.mark.parametrize("depth", [0, 1])
def test_learns_comes_back_and_runs_in_processes(depth, tmp_path):
    nlp = nlp_with(depth=depth)
    assert entities(nlp("I like London and Berlin.")) == [("London", "LOC"), ("Berlin", "LOC")]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    texts = ["I like London.", "", "Who is Shaka Khan?"] * 2
    assert [entities(doc) for doc in loaded.pipe(texts, n_process=2)] == [
        entities(doc) for doc in nlp.pipe(texts)
    ]


def test_many_docs_are_as_each_alone_and_a_long_one_as_a_whole(nlp, monkeypatch):
    model = nlp.get_pipe("ner").model
    texts = ["I like London. London is big.", "", "Who is Shaka Khan?", "He likes london. " * 30]
    docs = [nlp.make_doc(text) for text in texts]
    alone = [model.predict([doc]).emissions[0] for doc in docs]
    for together, one in zip(model.predict(docs).emissions, alone):
        np.testing.assert_allclose(together, one, atol=1e-5)
    monkeypatch.setattr(windows, "BATCH_TOKENS", 10)
    set_windows(model, 20, 2)
    for cut, one in zip(model.predict(docs).emissions, alone):
        np.testing.assert_allclose(cut, one, atol=1e-5)
    set_windows(model, 1000, 100)


def test_what_is_said_at_one_place_counts_at_another(nlp):
    model = nlp.get_pipe("ner").model
    clear = "We live in London ."
    emissions = []
    for words in (clear, clear.replace("London", "it")):
        doc = Doc(nlp.vocab, words=[*words.split(), *["so"] * 40, "London"])
        emissions.append(model.predict([doc]).emissions[0][-1])
    assert np.abs(emissions[0] - emissions[1]).max() > 1e-3


def test_on_a_shared_tok2vec_and_as_one():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {**CONTEXT, "tok2vec": ENCODER}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 48}
    model = {**SMALL_MODEL, "depth": 0, "tok2vec": {**CONTEXT, "tok2vec": listener}}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    examples = examples_for(nlp)
    train(nlp, examples, optimizer=nlp.initialize(lambda: examples), steps=60)
    docs = list(nlp.pipe(["I like London and Berlin.", ""]))
    assert entities(docs[0]) == [("London", "LOC"), ("Berlin", "LOC")]
    assert nlp.get_pipe("ner").model.get_ref("tok2vec").get_dim("nO") == 3 * 48


def test_a_batch_of_nothing(nlp):
    examples = [Example(nlp.make_doc(""), nlp.make_doc(""))] * 2
    assert nlp.update(examples)["ner"] == 0.0


@pytest.mark.parametrize("context", [True, False])
def test_a_listener_of_another_width(context):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": ENCODER})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
    tok2vec = {**CONTEXT, "tok2vec": listener} if context else listener
    nlp.add_pipe(
        "bilstm_crf_ner", name="ner", config={"model": {**SMALL_MODEL, "tok2vec": tok2vec}}
    )
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match=r"vectors of width 16, but .* made for 8\. A listener"):
        nlp.update(examples)


def test_weights_of_other_settings_are_refused(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    other = {"recurring_words": False, "document_vector": True}
    config = {"components": {"ner": {"model": {"tok2vec": other}}}}
    with pytest.raises(ValueError, match="with recurring_words = True, but the config has"):
        spacy.load(tmp_path, config=config)


def test_bad_settings():
    tok2vec, _, _ = random_vectors([])
    with pytest.raises(ValueError, match="recurring_words or document_vector must be true"):
        context_of(tok2vec, recurring_words=False, document_vector=False)
    with pytest.raises(ValueError, match="tok2vec of DocumentContext is a BiLSTMCRF"):
        context_of(registry.resolve({"it": SMALL_MODEL})["it"])
    with pytest.raises(ValueError, match="initialized with docs"):
        context_of(Model("no width", lambda model, X, is_train: (X, None))).initialize()


def test_means_of_nothing():
    model = context_of(random_vectors([])[0])
    model.initialize()
    assert model.predict([]) == []
    assert isinstance(model.ops, NumpyOps)


def test_the_config_trains(corpus, tmp_path):
    short = ["--training.max_steps=2", "--paths.train", corpus, "--paths.dev", corpus]
    spacy_command("train", CONFIG, "--output", tmp_path, *short)
    model = spacy.load(tmp_path / "model-last").get_pipe("ner").model
    assert model.get_ref("tok2vec").get_dim("nO") == 3 * 256


def test_an_encoder_with_context_has_seen_the_words_beside():
    objective = registry.resolve(
        {"it": {"@architectures": "spacy-bilstm-crf.NextAndPreviousWord.v1"}}
    )
    with pytest.raises(ValueError, match="BiLSTMEncoder"):
        objective["it"](VOCAB, registry.resolve({"it": CONTEXT})["it"])
