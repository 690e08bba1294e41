"""Attributes of tokens, those that are looked up among them."""

import numpy as np
import pytest
import spacy
from spacy.lookups import Lookups
from spacy.tokens import Doc

from spacy_bilstm_crf.models.token_attributes import LEXICAL, casing_of, count_rows, rows_of_tokens
from tests.helpers import char_embed_model, entities, examples_for, train

PROBABILITIES = {"london": -14.2, "London": -9.6, "LONDON": -13.1, "the": -3.5, "London.": -90.0}
CLUSTERS = {"London": 678, "Paris": 678, "the": 11, "rare": 0}


def lookups(**tables):
    made = Lookups()
    for name, table in tables.items():
        made.add_table(name, table)
    return made


def nlp_with_lookups(attrs, **tables):
    nlp = spacy.blank("en")
    nlp.vocab.lookups = lookups(**tables)
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": char_embed_model(attrs=attrs)})
    return nlp


def rows(attrs, words, nlp=None):
    nlp = nlp or nlp_with_lookups(attrs, lexeme_prob=PROBABILITIES, lexeme_cluster=CLUSTERS)
    docs = [Doc(nlp.vocab, words=words)]
    texts, of_token = np.unique(words, return_inverse=True)
    return rows_of_tokens(attrs, docs, texts.tolist(), of_token).T.tolist()


@pytest.mark.parametrize(
    "text, kind",
    [
        *[("the", "lower"), ("EU", "upper"), ("London", "title"), ("iPhone", "mixed")],
        *[("1987", "digits"), ("7UP", "some digits"), ("...", "other"), ("日本", "other")],
    ],
)
def test_casing(text, kind):
    assert casing_of(text) == kind


def test_a_words_probability_and_those_of_its_other_cases():
    words = ["London", "LONDON", "the", "Qwghlm", "london"]
    assert rows(["PROB"], words) == [[11, 14, 5, 0, 15]]
    in_cases = rows(["LOWER_PROB", "TITLE_PROB", "UPPER_PROB"], words)
    assert in_cases == [[15, 15, 5, 0, 15], [11, 11, 0, 0, 11], [14, 14, 0, 0, 14]]


def test_clusters_are_as_lexeme_has_them():
    words = ["London", "Paris", "PARIS", "the", "rare", "Qwghlm"]
    assert rows(["CLUSTER", "TITLE_CLUSTER"], words) == [
        [679, 679, 0, 12, 0, 0],
        [679, 679, 679, 0, 0, 0],
    ]
    nlp = nlp_with_lookups(["CLUSTER"], lexeme_prob=PROBABILITIES, lexeme_cluster=CLUSTERS)
    assert [nlp.vocab[word].cluster for word in words] == [678, 678, 0, 11, 0, 0]


@pytest.mark.parametrize("attr", [*LEXICAL, "SHAPE", "CASING"])
def test_rows_fit_into_the_table(attr):
    words = ["London.", "London", "a" * 50, "1", "日本", "\n", "the"]
    probabilities = {**PROBABILITIES, "1": 0.0}
    clusters = {**CLUSTERS, "1": 2**17 - 1, "日本": 2**63}
    nlp = nlp_with_lookups(["PROB"], lexeme_prob=probabilities, lexeme_cluster=clusters)
    (found,) = rows([attr], words, nlp)
    assert min(found) >= 0 and max(found) < count_rows(attr)


def test_trains_and_comes_back_from_disk_with_its_tables(tmp_path):
    attrs = ["PROB", "TITLE_CLUSTER"]
    nlp = nlp_with_lookups(attrs, lexeme_prob=PROBABILITIES, lexeme_cluster=CLUSTERS)
    train(nlp, examples_for(nlp), steps=30, optimizer=nlp.initialize(lambda: examples_for(nlp)))
    assert entities(nlp("I like London.")) == [("London", "LOC")]
    nlp.to_disk(tmp_path)
    nlp2 = spacy.load(tmp_path)

    def emissions(pipeline):
        return pipeline.get_pipe("ner").emissions([pipeline.make_doc("I like london and Paris.")])

    before = emissions(nlp)[0]
    np.testing.assert_array_equal(emissions(nlp2)[0], before)
    # What they say about a word is part of what the network sees
    nlp2.vocab.lookups.get_table("lexeme_prob")["london"] = -5.0
    nlp2.vocab.lookups.get_table("lexeme_cluster")["Paris"] = 11
    assert np.abs(emissions(nlp2)[0] - before).max() > 1e-4


def test_a_missing_table_is_explained(tmp_path):
    nlp = nlp_with_lookups(["SHAPE", "CLUSTER"], lexeme_prob=PROBABILITIES)
    with pytest.raises(ValueError, match=r"CLUSTER.*'lexeme_cluster'.*initialize\.lookups"):
        nlp.initialize(lambda: examples_for(nlp))
    nlp.vocab.lookups = lookups(lexeme_cluster=CLUSTERS)
    nlp.initialize(lambda: examples_for(nlp))
    nlp.to_disk(tmp_path)
    (tmp_path / "vocab" / "lookups.bin").unlink()
    nlp = spacy.load(tmp_path)
    with pytest.raises(ValueError, match=r"'lexeme_cluster'.*lookups\.bin"):
        nlp("I like London.")
