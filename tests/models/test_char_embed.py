"""The registered embedding layers."""

import subprocess
import sys

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc

from spacy_bilstm_crf.models.characters import characters_of
from spacy_bilstm_crf.models.word_features import WordCounts, words_of_docs
from tests.helpers import (
    ROOT,
    char_embed,
    char_embed_model,
    entities,
    examples_for,
    train,
    trained_nlp,
    weights,
)

KINDS = ["CharCNNEmbed", "CharBiLSTMEmbed"]
each_kind = pytest.mark.parametrize("kind", KINDS)
VECTORS = {"london": [1.0, 0.0, 2.0], "paris": [0.0, 1.0, 2.0], "0000": [3.0, 3.0, 3.0]}


def nlp_with_vectors(**config):
    nlp = spacy.blank("en")
    nlp.vocab.vectors.resize((len(VECTORS), 3))
    for word, vector in VECTORS.items():
        nlp.vocab.set_vector(word, np.array(vector, dtype="float32"))
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": char_embed_model(**config)})
    for label in ("PERSON", "LOC"):
        ner.add_label(label)
    nlp.initialize()
    return nlp


def embed(nlp, words):
    layer = nlp.get_pipe("ner").model.get_ref("tok2vec")
    return layer.predict([Doc(nlp.vocab, words=words)])[0]


def network_of(nlp):
    return nlp.get_pipe("ner").model.get_ref("tok2vec").shims[0]._model


@each_kind
def test_learns_and_comes_back_from_disk(kind, tmp_path):
    nlp = trained_nlp(model=char_embed_model(kind, attrs=["SHAPE", "SUFFIX"]))
    assert entities(nlp("I like London.")) == [("London", "LOC")]
    nlp.to_disk(tmp_path)
    nlp2 = spacy.load(tmp_path)
    docs = [nlp.make_doc("I like London and Qwghlm.")]
    before, after = (pipe.get_pipe("ner").emissions(docs)[0] for pipe in (nlp, nlp2))
    np.testing.assert_array_equal(before, after)
    # Training goes on where it was
    assert train(nlp2, examples_for(nlp2), steps=1) < 0.1
    optimizer = nlp2.resume_training()
    train(nlp2, examples_for(nlp2, [("A new word", {"entities": []})]), optimizer=optimizer)
    assert entities(nlp2("A new word")) == []


@each_kind
def test_a_doc_does_not_depend_on_its_batch(kind):
    nlp = trained_nlp(model=char_embed_model(kind))
    ner = nlp.get_pipe("ner")
    texts = ["I like London.", "", "Supercalifragilisticexpialidocious", "Who is Shaka Khan?"]
    docs = [nlp.make_doc(text) for text in texts]
    for doc, together in zip(docs, ner.emissions(docs)):
        np.testing.assert_allclose(ner.emissions([doc])[0], together, atol=1e-5)


def test_words_have_their_pretrained_vectors_and_those_of_training_move():
    nlp = nlp_with_vectors()
    np.testing.assert_array_equal(
        embed(nlp, ["london", "Paris"])[:, :3], list(VECTORS.values())[:2]
    )
    train(nlp, examples_for(nlp))
    vectors = embed(nlp, ["London", "Paris", "Qwghlm", "Zyzzyva"])[:, :3]
    assert np.abs(vectors[0] - VECTORS["london"]).max() > 1e-3  # is in the training data
    np.testing.assert_array_equal(vectors[1], VECTORS["paris"])  # is not
    unknown = network_of(nlp).unknown.detach().numpy()[0]
    np.testing.assert_array_equal(vectors[2:], [unknown, unknown])
    assert "london" in nlp.get_pipe("ner").model.get_ref("tok2vec").attrs["counts"]


def test_digits_are_looked_up_as_zeros_where_the_number_has_no_vector():
    nlp = nlp_with_vectors()
    np.testing.assert_array_equal(embed(nlp, ["1987"])[0, :3], VECTORS["0000"])
    nlp = nlp_with_vectors(zero_digits=False)
    assert (embed(nlp, ["1987"])[0, :3] != VECTORS["0000"]).any()


def test_vectors_of_words_that_were_made_from_other_tokens():
    nlp = nlp_with_vectors()
    found = embed(nlp, ["#London", "Lon-don.", "Paris-based", "London/Paris", "?!"])[:, :3]
    london, paris = (np.array(VECTORS[word], dtype="float32") for word in ("london", "paris"))
    np.testing.assert_array_equal(found[:4], [london, london, paris, (london + paris) / 2])
    np.testing.assert_array_equal(found[4], network_of(nlp).unknown.detach().numpy()[0])


def test_lower_case_is_a_setting():
    train_words = [("london LONDON", {"entities": []})]
    for lower, n_words in ((True, 1), (False, 2)):
        nlp = nlp_with_vectors(lower=lower)
        train(nlp, examples_for(nlp, train_words), steps=1)
        assert len(nlp.get_pipe("ner").model.get_ref("tok2vec").attrs["counts"]) == n_words


def test_words_are_counted_once_for_each_doc():
    nlp = nlp_with_vectors()
    train(nlp, examples_for(nlp), steps=5)
    counts = nlp.get_pipe("ner").model.get_ref("tok2vec").attrs["counts"]
    assert counts["london"] == 1
    train(nlp, examples_for(nlp, [("London London", {"entities": []})]), steps=2)
    assert counts["london"] == 3


def test_words_are_not_counted_again_after_loading(tmp_path):
    nlp = nlp_with_vectors()
    train(nlp, examples_for(nlp), steps=2)
    nlp.to_disk(tmp_path)
    script = f"""
import spacy
from tests.helpers import examples_for, train
nlp = spacy.load({str(tmp_path)!r})
train(nlp, examples_for(nlp), steps=2, optimizer=nlp.resume_training())
print(nlp.get_pipe("ner").model.get_ref("tok2vec").attrs["counts"]["london"])
"""
    # In another process, as Python's own hashes differ from one to the next
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout == "1\n", found.stderr


def test_singletons_are_half_of_the_time_treated_as_unseen():
    nlp = nlp_with_vectors()
    text = "London Qwghlm Berlin Berlin"
    train(nlp, examples_for(nlp, [(text, {"entities": []})]), steps=1)
    attrs = nlp.get_pipe("ner").model.get_ref("tok2vec").attrs
    counts = WordCounts(attrs["counts"], attrs["counted_docs"])

    def rows(is_train):
        words = words_of_docs(network_of(nlp), counts, [nlp.make_doc(text)], is_train)
        return words.rows[words.of_token].tolist()

    london, qwghlm, berlin, _ = rows(is_train=False)
    in_training = [rows(is_train=True) for _ in range(100)]
    pretrained, unknown = -2, -1
    assert {found[0] for found in in_training} == {london, pretrained}
    assert {found[1] for found in in_training} == {qwghlm, unknown}
    assert {found[2] for found in in_training} == {berlin}
    assert 25 < [found[0] for found in in_training].count(london) < 75


def test_singletons_teach_the_unknown_vector():
    nlp = nlp_with_vectors()
    before = network_of(nlp).unknown.detach().clone()
    train(nlp, examples_for(nlp), steps=10)
    assert not torch.equal(network_of(nlp).unknown, before)


def test_the_model_folder_holds_no_copy_of_the_vectors(tmp_path):
    nlp = spacy.blank("en")
    nlp.vocab.vectors.resize((20_000, 50))
    for i in range(20_000):
        nlp.vocab.set_vector(f"w{i}", np.ones(50, dtype="float32"))
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": char_embed_model()})
    ner.add_label("LOC")
    nlp.initialize()
    train(nlp, examples_for(nlp, [("w1 w2", {"entities": []})]), steps=2)
    nlp.to_disk(tmp_path)
    assert (tmp_path / "vocab" / "vectors").stat().st_size >= 20_000 * 50 * 4
    assert (tmp_path / "ner" / "model").stat().st_size < 1_000_000


def test_missing_vectors_are_explained(tmp_path):
    nlp = nlp_with_vectors()
    nlp.to_disk(tmp_path)
    nlp2 = spacy.load(tmp_path)
    nlp2.vocab.vectors = spacy.vectors.Vectors(shape=(0, 0))
    with pytest.raises(ValueError, match=r"width 3.*width 0"):
        nlp2("London")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5))
def test_any_unicode_works(words):
    words = [word for word in words if word.strip()] or ["x"]
    for kind in KINDS:
        layer = registry.resolve({"layer": char_embed(kind, attrs=["SHAPE"])})["layer"]
        doc = Doc(spacy.blank("en").vocab, words=words)
        layer.initialize(X=[doc])
        for is_train in (False, True):
            (vectors,), backprop = layer([doc], is_train)
            assert vectors.shape == (len(words), layer.get_dim("nO"))
            assert np.isfinite(vectors).all()
        assert backprop([np.ones_like(vectors)]) == []


def test_long_words_lose_their_middle():
    assert characters_of("abcdefgh", 4) == [1 + ord(c) for c in "abgh"]
    assert len(characters_of("a" * 99, 7)) == 7
    assert len(set(characters_of("日本語", 40))) == 3


@each_kind
def test_in_other_components(kind):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": char_embed(kind, width=20)})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 20}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": char_embed(kind)}}).add_label("X")
    width = 20 + 50 + 16
    listener["width"] = width
    model = {"@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1", "tok2vec": listener}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model}).add_label("LOC")
    nlp.get_pipe("ner").add_label("PERSON")
    nlp.initialize()
    train(nlp, examples_for(nlp))
    assert entities(nlp("I like London.")) == [("London", "LOC")]
    nlp.update(examples_for(nlp, [("", {"entities": []})]))  # of no tokens at all


@pytest.mark.parametrize(
    "kind, setting, message",
    [
        ("CharBiLSTMEmbed", {"char_hidden": 7}, "must be even, but is 7"),
        ("CharCNNEmbed", {"attrs": ["SHAPY"]}, "SHAPY.*SHAPE.*TITLE_PROB"),
        ("CharCNNEmbed", {"max_chars": 1}, "at least 2"),
        ("CharCNNEmbed", {"filters": 0}, "filters = 0"),
        ("CharCNNEmbed", {"window": -1}, "window = -1"),
        ("CharCNNEmbed", {"width": 0, "attr_width": -3}, "width = 0, attr_width = -3"),
        ("CharBiLSTMEmbed", {"char_hidden": -2}, "char_hidden = -2"),
        ("CharBiLSTMEmbed", {"char_width": 0}, "char_width = 0"),
    ],
)
def test_bad_settings(kind, setting, message):
    with pytest.raises(ValueError, match=message):
        registry.resolve({"layer": char_embed(kind, **setting)})


@pytest.mark.parametrize(
    "kind, setting, message",
    [
        ("CharCNNEmbed", {"lower": False}, "lower = True, but the config has lower = False"),
        ("CharCNNEmbed", {"zero_digits": False}, "zero_digits = True"),
        ("CharCNNEmbed", {"casing": False}, "casing = True"),
        ("CharCNNEmbed", {"attrs": ["SHAPE", "PREFIX"]}, r"attrs = \['SHAPE', 'SUFFIX'\]"),
        ("CharCNNEmbed", {"attr_width": 3}, "attr_width = 16"),
        ("CharCNNEmbed", {"window": 5}, "window = 3"),
        ("CharCNNEmbed", {"filters": 7}, "filters = 50"),
        ("CharCNNEmbed", {"span_features": ["a"]}, "n_span_features = 0"),
        ("CharBiLSTMEmbed", {"char_width": 7}, "char_width = 25"),
        ("CharBiLSTMEmbed", {"char_hidden": 8}, "char_hidden = 50"),
    ],
)
def test_weights_of_other_settings_are_refused(kind, setting, message):
    trained = {"attrs": ["SHAPE", "SUFFIX"]}
    saved = registry.resolve({"layer": char_embed(kind, **trained)})["layer"].to_bytes()
    other = registry.resolve({"layer": char_embed(kind, **{**trained, **setting})})["layer"]
    with pytest.raises(ValueError, match=message):
        other.from_bytes(saved)


def test_weights_do_not_depend_on_settings_of_what_is_not_there():
    saved = registry.resolve({"layer": char_embed(casing=False)})["layer"].to_bytes()
    settings = {"casing": False, "attr_width": 3, "span_width": 3, "max_chars": 10}
    registry.resolve({"layer": char_embed(**settings)})["layer"].from_bytes(saved)


def test_before_initialization():
    layer = registry.resolve({"layer": char_embed()})["layer"]
    layer.from_bytes(layer.to_bytes())
    with pytest.raises(ValueError, match="not initialized"):
        layer.predict([spacy.blank("en")("London")])


def test_same_seed_same_weights():
    found = []
    for _ in range(2):
        spacy.util.fix_random_seed(5)
        nlp = nlp_with_vectors()
        train(nlp, examples_for(nlp), steps=8, drop=0.3)
        found.append(weights(nlp.get_pipe("ner")))
    np.testing.assert_array_equal(*found)
