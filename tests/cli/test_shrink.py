"""`shrink`: fewer word vectors, with fewer bits."""

import json

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.vectors import Vectors

from tests.helpers import (
    char_embed_model,
    entities,
    examples_for,
    make_nlp,
    spacy_command,
    train,
)

N_WORDS = 50
TAGGER = {
    "@architectures": "spacy.Tagger.v2",
    "tok2vec": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 32,
        "depth": 1,
        "embed_size": 300,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
    },
}


def shrink(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "shrink", *arguments, exit_codes=exit_codes)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pipeline with vectors: of `word0`, the most frequent, to `word49`, and of a label."""
    nlp = spacy.blank("en")
    words = [*(f"word{i}" for i in range(N_WORDS - 1)), "PLACE"]
    data = np.random.default_rng(0).normal(size=(N_WORDS, 8)).astype("f")
    for word in words:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, name="test")
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": char_embed_model()})
    for label in ("PERSON", "LOC", "PLACE"):
        ner.add_label(label)
    nlp.initialize()
    train(nlp, examples_for(nlp))
    path = tmp_path_factory.mktemp("pipeline") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "dev.spacy"
    DocBin(docs=[eg.reference for eg in examples_for(spacy.blank("en"))]).to_disk(path)
    return path


def test_the_first_words_stay_and_what_was_learned(model, data, tmp_path):
    printed = shrink(model, tmp_path / "out", "--keep-words", 20, "--data", data)
    assert "50 vectors before, 20 after" in " ".join(printed.split())
    assert "before" in printed.split("MB on disk")[1]
    assert ["after", "100.00"] in [line.split()[:2] for line in printed.splitlines()]
    before, after = spacy.load(model), spacy.load(tmp_path / "out")
    assert after.vocab.vectors.data.dtype == np.float16
    strings = tmp_path / "out" / "vocab" / "strings.json"
    for i in range(N_WORDS - 1):
        word = f"word{i}"
        assert after.vocab.has_vector(word) == (i < 20)
        if i < 20:
            ours, theirs = (nlp.vocab.get_vector(word) for nlp in (after, before))
            np.testing.assert_allclose(ours, theirs, atol=2e-3)
        assert (word in json.loads(strings.read_text())) == (i < 20)
    assert "PLACE" in json.loads(strings.read_text())
    for text in ("I like London and Berlin.", "word3 likes word40"):
        assert entities(after(text)) == entities(before(text))
    # And once more, without fewer words
    shrink(tmp_path / "out", tmp_path / "again", "--dtype", "float32")
    assert len(spacy.load(tmp_path / "again").vocab.vectors) == 20


def test_several_words_may_share_a_row(model, tmp_path):
    nlp = spacy.load(model)
    nlp.vocab.vectors.add("another", row=3)
    nlp.vocab.vectors.add("rare", row=40)
    nlp.to_disk(tmp_path / "in")
    shrink(tmp_path / "in", tmp_path / "out", "--keep-words", 10)
    vocab = spacy.load(tmp_path / "out").vocab
    assert (vocab.get_vector("another") == vocab.get_vector("word3")).all()
    assert not vocab.has_vector("rare")


def strings_in(folder):
    return set(json.loads((folder / "vocab" / "strings.json").read_text()))


def test_strings_that_other_components_need_stay(model, tmp_path):
    nlp = spacy.load(model)
    lemmas = {"word40": "word41", "word30s": "word30"}
    config = {"min_tree_freq": 1, "top_k": 1, "model": TAGGER}
    lemmatizer = nlp.add_pipe("trainable_lemmatizer", config=config)
    annotated = [
        Example.from_dict(nlp.make_doc(" ".join(lemmas)), {"lemmas": list(lemmas.values())})
    ]
    lemmatizer.initialize(lambda: annotated, nlp=nlp)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.05
    for _ in range(40):
        lemmatizer.update(annotated, sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    shrink(tmp_path / "model", tmp_path / "small", "--keep-words", 3)
    found = spacy.load(tmp_path / "small")(" ".join(lemmas))
    assert [token.lemma_ for token in found] == list(lemmas.values())
    assert "word20" not in strings_in(tmp_path / "small")


@Language.component("of_another_package")
def of_another_package(doc):
    return doc


def test_all_strings_stay_for_a_component_that_nobody_knows(model, tmp_path):
    nlp = spacy.load(model)
    nlp.add_pipe("of_another_package")
    nlp.to_disk(tmp_path / "model")
    shrink(tmp_path / "model", tmp_path / "small", "--keep-words", 3)
    assert strings_in(tmp_path / "small") == strings_in(tmp_path / "model")
    assert len(spacy.load(tmp_path / "small").vocab.vectors) == 3


def test_mistakes_are_said_in_one_line(model, tmp_path):
    make_nlp().to_disk(tmp_path / "bare")
    nlp = spacy.load(model)
    tok2vec = {
        "@architectures": "spacy.MultiHashEmbed.v2",
        **{"width": 8, "attrs": ["NORM"], "rows": [10], "include_static_vectors": True},
    }
    nlp.add_pipe("bilstm_crf_ner", name="other", config={"model": {"tok2vec": tok2vec}})
    nlp.to_disk(tmp_path / "shared")
    make_nlp().to_disk(tmp_path / "there")
    for arguments, words in [
        ((tmp_path / "nothing", tmp_path / "out"), "no pipeline"),
        ((tmp_path / "bare", tmp_path / "out"), "no word vectors"),
        ((tmp_path / "shared", tmp_path / "out"), "also read by other,"),
        ((model, tmp_path / "there"), "--force"),
        (
            (model, tmp_path / "out", "--keep-words", 0),
            "Invalid value for '--keep-words'",
        ),
        ((model, tmp_path / "out", "--dtype", "int4"), "Invalid value for '--dtype'"),
        (
            (model, tmp_path / "out", "--data", tmp_path / "no.spacy"),
            "no.spacy' does not exist",
        ),
    ]:
        printed = shrink(*arguments, exit_codes=(1,))
        assert words in " ".join(printed.split()), printed
        assert not (tmp_path / "out").exists()
    assert spacy.load(tmp_path / "there").vocab.vectors.shape == (0, 0)
