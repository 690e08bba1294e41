"""Vectors of words are computed once, and anew when what they come from has changed."""

import threading
from copy import deepcopy

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_bilstm_crf.models import CharCNNEmbed, word_vectors
from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.models.word_vectors import WordCache


def docs_of(vocab, *texts):
    return [Doc(vocab, words=text.split()) for text in texts]


class Counted:
    """Computes vectors of words: their length; and notes which words it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, vocab, texts):
        self.asked += texts
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_each_word_is_computed_once_and_found_by_any_doc():
    vocab, compute, cache = spacy.blank("en").vocab, Counted(), WordCache()
    for texts in (["a bb a"], ["bb ccc", "", "a"], [""]):
        docs = docs_of(vocab, *texts)
        lengths = [[len(token.text)] for doc in docs for token in doc]
        found = cache.look_up(docs, None, 1, compute)
        np.testing.assert_array_equal(found, np.reshape(lengths, (-1, 1)))
    assert sorted(compute.asked) == ["a", "bb", "ccc"]


def test_what_words_come_from():
    nlp, compute, cache = spacy.blank("en"), Counted(), WordCache()
    docs = docs_of(nlp.vocab, "a bb")

    def asked(version=None):
        compute.asked.clear()
        cache.look_up(docs, version, 1, compute)
        return len(compute.asked)

    assert [asked(), asked(), asked(1), asked(1)] == [2, 0, 2, 0]
    nlp.vocab.set_vector("a", np.ones(4, dtype=np.float32))
    assert [asked(1), asked(1)] == [2, 0]
    nlp.vocab.vectors = spacy.vectors.Vectors(shape=(1, 4), strings=nlp.vocab.strings)
    assert [asked(1), asked(1)] == [2, 0]
    assert deepcopy(cache).known is None


def test_more_words_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(word_vectors, "MOST_WORDS", 5)
    vocab, compute, cache = spacy.blank("en").vocab, Counted(), WordCache()
    for number in range(20):
        words = [f"{number}-{'x' * i}" for i in range(number)]
        docs = docs_of(vocab, " ".join(words), "same")
        found = cache.look_up(docs, None, 1, compute)[:, 0].tolist()
        assert found == [len(word) for word in [*words, "same"]]


def test_threads_see_whole_vectors(monkeypatch):
    monkeypatch.setattr(word_vectors, "MOST_WORDS", 50)
    vocab, cache = spacy.blank("en").vocab, WordCache()
    texts = [" ".join("x" * (1 + (i * j) % 37) for i in range(9)) for j in range(200)]
    wrong = []

    def work():
        for text in texts:
            found = cache.look_up(docs_of(vocab, text), None, 1, Counted())[:, 0].tolist()
            if found != [len(word) for word in text.split()]:
                wrong.append(text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture
def embed():
    vocab = spacy.blank("en").vocab
    model = CharCNNEmbed(width=8, char_width=4, filters=5)
    model.initialize(X=docs_of(vocab, "cat dog"))
    return model, vocab


def computed_anew(model, docs):
    """What the network says without a cache."""
    shim_of(model)._model.cache = WordCache()
    return model.predict(docs)[0]


def updated(model, docs):
    vectors, backprop = model.begin_update(docs)
    backprop([np.ones_like(vectors[0])])
    model.finish_update(Adam(0.1))


def changed_by_hand(model, docs):
    with torch.no_grad():
        shim_of(model)._model.unknown += 1.0


def replaced_by_hand(model, docs):
    network = shim_of(model)._model
    network.unknown.data = network.unknown.data + 1.0


def learning_words(model, docs):
    model.begin_update(docs)  # without an update, words have got a vector of their own


def loaded(model, docs):
    other = CharCNNEmbed(width=8, char_width=4, filters=5)
    other.initialize(X=docs)
    model.from_bytes(other.to_bytes())


@pytest.mark.parametrize(
    "change", [updated, changed_by_hand, replaced_by_hand, learning_words, loaded]
)
def test_changed_weights_are_seen_at_once(embed, change):
    model, vocab = embed
    docs = docs_of(vocab, "cat bird cat")
    before = model.predict(docs)[0].copy()
    np.testing.assert_array_equal(model.predict(docs)[0], before)
    change(model, docs)
    after = model.predict(docs)[0].copy()
    assert (after != before).any()
    np.testing.assert_array_equal(after, computed_anew(model, docs))


def test_averages_are_seen_at_once(embed):
    model, vocab = embed
    docs = docs_of(vocab, "cat bird cat")
    before = model.predict(docs)[0].copy()
    shim = shim_of(model)
    for value in (0.1, 0.2):
        weight = shim._model.characters.convolution.weight
        averages = {(shim.id, "characters.convolution.weight"): np.full(weight.shape, value, "f")}
        with model.use_params(averages):
            found = model.predict(docs)[0].copy()
            np.testing.assert_array_equal(found, computed_anew(model, docs))
            assert (found != before).any()
    np.testing.assert_array_equal(model.predict(docs)[0], before)
