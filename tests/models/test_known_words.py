"""Words that a model knows, by training or by pretrained vectors."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bilstm_crf.workflows import ensemble, export
from tests.helpers import SMALL_MODEL, char_embed_model, examples_for, make_nlp, train, trained_nlp

# WORDS that are not of training: Rome and Ada, and without settings LONDON, khan or 7654
TRAINING = ["Who is Shaka Khan in 1833 ?", "I like London and Berlin ."]
WORDS = ["LONDON", "Rome", "Ada", " ", "khan", "7654", "\n", "Ada"]


def trained(model, vectors=()):
    nlp = spacy.blank("en")
    for word in vectors:
        nlp.vocab.set_vector(word, np.ones(4, dtype="float32"))
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    ner.add_label("LOC")
    docs = [nlp.make_doc(text) for text in TRAINING]
    examples = [Example(doc, Doc(nlp.vocab, words=[t.text for t in doc])) for doc in docs]
    for example in examples:
        example.reference.set_ents([])
    nlp.initialize(lambda: examples)
    nlp.update(examples)
    return nlp


def unknown(nlp, *docs):
    return nlp.get_pipe("ner").unknown_words(docs)


@pytest.mark.parametrize("kind", ["CharCNNEmbed", "CharBiLSTMEmbed"])
@pytest.mark.parametrize(
    "settings, vectors, expected",
    [
        ({}, [], 3),  # Rome, Ada, Ada
        ({"lower": False}, [], 5),  # and LONDON, khan
        ({"zero_digits": False}, [], 4),  # and 7654
        ({}, ["ada"], 1),
        ({}, ["rome", "Ada"], 0),
    ],
)
def test_the_exported_model_knows_the_same_words(kind, settings, vectors, expected, tmp_path):
    nlp = trained(char_embed_model(kind, **settings), vectors)
    docs = [Doc(nlp.vocab, words=WORDS), Doc(nlp.vocab, words=["London"]), Doc(nlp.vocab)]
    assert unknown(nlp, *docs) == [expected, 0, 0]
    nlp.to_disk(tmp_path / "torch")
    loaded = spacy.load(tmp_path / "torch")
    export(nlp).to_disk(tmp_path / "exported")
    for other in (nlp, loaded, spacy.load(tmp_path / "exported")):
        others = [Doc(other.vocab, words=[token.text for token in doc]) for doc in docs]
        assert unknown(other, *others)[0] == expected


def test_models_without_words():
    nlp = make_nlp(model=SMALL_MODEL)
    assert unknown(nlp, nlp.make_doc("Rome")) is None
    untrained = spacy.blank("en")
    untrained.add_pipe("bilstm_crf_ner", name="ner", config={"model": char_embed_model()})
    assert unknown(untrained, untrained.make_doc("Rome")) is None


def test_an_ensemble_knows_what_any_member_knows(tmp_path):
    for seed, text in enumerate(["I like Rome", "I like Ada"]):
        nlp = make_nlp(model=char_embed_model())
        train(nlp, examples_for(nlp, [(text, {"entities": [(7, len(text), "LOC")]})]), steps=2)
        nlp.to_disk(tmp_path / str(seed))
    together = ensemble([tmp_path / "0", tmp_path / "1"]).nlp
    doc = Doc(together.vocab, words=["Rome", "Ada", "London"])
    assert unknown(together, doc) == [1]
    assert unknown(trained_nlp(model=char_embed_model()), doc) == [2]
