"""By sentence, a doc is read as its sentences are read alone."""

from itertools import pairwise, product

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from spacy_bilstm_crf.models import with_windows as windows
from spacy_bilstm_crf.models.sentences import LAYER, sentence_by_sentence, sentence_lengths
from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.potentials import Potentials
from spacy_bilstm_crf.tags import OUTSIDE
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

VOCAB = spacy.blank("en").vocab
ENCODER = {
    "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
    "hidden_width": 8,
    "embed": char_embed(width=8, filters=4),
    "by_sentence": True,
}
MODELS = {
    "in the CRF's layer": {"by_sentence": True},
    "in an encoder": {"depth": 0, "tok2vec": ENCODER},
}
TEXT = "I like London. Who is Shaka Khan? London is big."
SENTENCES = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=4)


def doc_of(sentences, vocab=VOCAB):
    words = [word for sentence in sentences for word in sentence]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence))]
    return Doc(vocab, words=words, sent_starts=starts)


def nlp_with(**model):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": {**SMALL_MODEL, **model}})
    examples = examples_for(nlp)
    optimizer = nlp.initialize(lambda: examples)  # with docs whose sentences nobody has found
    for example in examples:
        nlp.get_pipe("sentencizer")(example.predicted)
    train(nlp, examples, optimizer=optimizer, steps=60)
    return nlp


@pytest.fixture(scope="module", params=MODELS)
def nlp(request):
    return nlp_with(**MODELS[request.param])


@given(st.lists(SENTENCES, max_size=3))
def test_lengths(docs):
    for sentences in docs:
        found = sentence_lengths(doc_of(sentences))
        assert found == [len(sentence) for sentence in sentences] or (
            not sentences and found == [0]
        )


@given(st.lists(SENTENCES, min_size=1, max_size=3))
def test_forth_and_back_each_sentence_goes_alone(docs):
    seen = []

    def network(model, X, is_train):
        seen.append([len(x) for x in X])
        return [2 * x for x in X], lambda d_X: [3 * d for d in d_X]

    back = []
    vectors = [np.ones((sum(map(len, sentences)), 2), "f") for sentences in docs]
    tok2vec = Model("tok2vec", lambda model, X, is_train: (vectors, back.append), dims={"nO": 2})
    model = sentence_by_sentence(tok2vec, Model("network", network, dims={"nO": 2}))
    model.initialize()
    output, backprop = model.begin_update([doc_of(sentences) for sentences in docs])
    assert seen == [[len(sentence) for sentences in docs for sentence in sentences or [[]]]]
    backprop(output)
    for doc, d_doc, given_ in zip(output, back[0], vectors):
        np.testing.assert_array_equal(doc, 2 * given_)
        np.testing.assert_array_equal(d_doc, 6 * given_)


def test_a_doc_has_what_its_sentences_have_alone(nlp, monkeypatch):
    model = nlp.get_pipe("ner").model
    sentencizer = nlp.get_pipe("sentencizer")
    docs = [sentencizer(nlp.make_doc(text)) for text in (TEXT, "", TEXT * 9, "Who?")]
    alone = [[sent.as_doc() for sent in doc.sents] for doc in docs]
    by_sentence = model.layers[0].name == LAYER  # and not in the encoder alone

    def check():
        for doc, sentences, found in zip(docs, alone, model.predict(docs).emissions):
            assert len(found) == len(doc)
            if sentences:
                expected = model.predict(sentences)
                if by_sentence:
                    at_starts = expected.start - expected.transitions[OUTSIDE]
                    for one, following in zip(expected.emissions, expected.emissions[1:]):
                        one[-1] += expected.end
                        following[0] += at_starts
                np.testing.assert_allclose(found, np.concatenate(expected.emissions), atol=1e-5)

    check()
    monkeypatch.setattr(windows, "GROUP_TOKENS", 10)
    set_windows(model, 12, 2)
    check()
    set_windows(model, 1000, 100)


def test_gradients_are_those_of_the_sentences():
    sentences = [["a", "b", "c"], ["b"], ["c", "a"]]
    model = registry.resolve({"it": {**ENCODER, "dropout": 0.0}})["it"]
    found = []
    for docs in ([doc_of(sentences)], [doc_of([sentence]) for sentence in sentences]):
        if not found:
            model.initialize(X=docs)
        network = shim_of(model.layers[1])._model
        network.zero_grad()
        outputs, backprop = model.begin_update(docs)
        backprop([np.cos(output) for output in outputs])
        found.append([parameter.grad.numpy().copy() for parameter in network.parameters()])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, atol=1e-4)


def random_potentials(lengths, n_tags=5):
    generator = np.random.default_rng(0)
    shapes = [*((n, n_tags) for n in lengths), (n_tags, n_tags), (n_tags,), (n_tags,)]
    *emissions, transitions, start, end = (
        generator.normal(size=shape).astype("f") for shape in shapes
    )
    return Potentials(emissions, transitions, start, end)


def score(potentials, doc, tags):
    """Of a sequence of tags."""
    emissions = potentials.emissions[doc]
    return (
        potentials.start[tags[0]]
        + sum(emissions[i, tag] for i, tag in enumerate(tags))
        + sum(potentials.transitions[pair] for pair in pairwise(tags))
        + potentials.end[tags[-1]]
    )


def test_a_crf_that_starts_anew_scores_a_doc_as_its_sentences():
    lengths = [2, 1, 2]
    whole = random_potentials([5])
    rows = np.split(whole.emissions[0], np.cumsum(lengths)[:-1])
    sentences = Potentials(rows, whole.transitions, whole.start, whole.end)
    anew = whole.starting_anew([lengths])
    for tags in product(range(5), repeat=5):
        if tags[1] == tags[2] == OUTSIDE:  # where sentences end
            parts = (tags[:2], tags[2:3], tags[3:])
            expected = sum(score(sentences, i, part) for i, part in enumerate(parts))
            assert score(anew, 0, tags) == pytest.approx(expected, abs=1e-4)


def test_the_gradient_of_starting_anew():
    lengths, gradient = [[2, 1, 2], [], [3]], random_potentials([5, 0, 3])
    found = gradient.backprop_starting_anew(lengths)
    potentials = random_potentials([5, 0, 3])
    arrays = [*potentials.emissions, potentials.transitions, potentials.start, potentials.end]
    derivatives = [*found.emissions, found.transitions, found.start, found.end]
    before = potentials.starting_anew(lengths).dot(gradient)
    for array, derivative in zip(arrays, derivatives):
        for place in np.ndindex(*array.shape):
            array[place] += 1  # the map is linear
            after = potentials.starting_anew(lengths).dot(gradient)
            array[place] -= 1
            assert after - before == pytest.approx(derivative[place], abs=1e-3)


def test_learns_comes_back_and_runs_in_processes(nlp, tmp_path):
    assert entities(nlp(TEXT))[:2] == [("London", "LOC"), ("Shaka Khan", "PERSON")]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    texts = [TEXT, "", "Who?"] * 2
    assert [entities(doc) for doc in loaded.pipe(texts, n_process=2)] == [
        entities(doc) for doc in nlp.pipe(texts)
    ]


def test_a_batch_of_nothing(nlp):
    examples = [Example(nlp.make_doc(""), nlp.make_doc(""))] * 2
    assert nlp.update(examples)["ner"] == 0.0


def test_without_sentences_it_says_what_to_do(nlp):
    with pytest.raises(ValueError, match=r"'Who is that\?'.*'sentencizer'"):
        nlp.get_pipe("ner")(nlp.make_doc("Who is that?"))
    assert nlp.get_pipe("ner")(nlp.make_doc("Who")).ents == ()


@pytest.mark.parametrize("layer", ["model", "model.tok2vec.tok2vec"])
def test_spacy_train(layer, corpus, tmp_path):
    config = ROOT / "configs" / "document_context.cfg"
    options = ["--paths.train", corpus, "--paths.dev", corpus, "--training.max_steps=2"]
    options.append(f"--components.ner.{layer}.by_sentence=true")
    sentences = [
        '--nlp.pipeline=["sentencizer","ner"]',
        '--components.sentencizer={"factory":"sentencizer"}',
        '--training.annotating_components=["sentencizer"]',
    ]
    spacy_command("train", config, "--output", tmp_path / "out", *options, *sentences)
    assert spacy.load(tmp_path / "out" / "model-last").pipe_names == ["sentencizer", "ner"]


def test_a_pipeline_that_was_trained_without_can_be_loaded_with_it(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": SMALL_MODEL})
    examples = examples_for(nlp)
    train(nlp, examples, optimizer=nlp.initialize(lambda: examples))
    nlp.to_disk(tmp_path)
    other = spacy.load(tmp_path, config={"components": {"ner": {"model": {"by_sentence": True}}}})
    words = [["I", "like", "London", "."], ["Who", "is", "Shaka", "Khan", "?"]] * 3
    doc = other(doc_of(words, other.vocab))
    alone = [nlp(doc_of([sentence], nlp.vocab)) for sentence in words]
    assert [ent.text for ent in doc.ents] == [ent.text for each in alone for ent in each.ents]
    expected = [ent._.confidence for each in alone for ent in each.ents]
    assert [ent._.confidence for ent in doc.ents] == pytest.approx(expected, abs=1e-3)


def test_a_label_that_comes_later(nlp):
    ner = nlp.get_pipe("ner")
    nlp.add_pipe(
        "bilstm_crf_ner", name="other", config={"model": {**SMALL_MODEL, "by_sentence": True}}
    )
    other = nlp.get_pipe("other")
    examples = examples_for(nlp)
    other.initialize(lambda: examples, nlp=nlp)
    other.add_label("NEW")
    docs = [nlp.make_doc(""), nlp.get_pipe("sentencizer")(nlp.make_doc(TEXT))]
    widths = {scores.shape[1] for scores in other.model.predict(docs).emissions}
    assert widths == {other.model.get_dim("nO")} != {ner.model.get_dim("nO")}
    nlp.remove_pipe("other")
