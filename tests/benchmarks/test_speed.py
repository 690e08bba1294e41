"""Speed of ours, exported too, against other systems."""

import pytest

from benchmarks.speed.spacy_worker import Tagger
from benchmarks.speed.tagger import EXPORTED_OURS, OURS, ratios_to_peers
from spacy_bilstm_crf.models import word_vectors
from spacy_bilstm_crf.workflows import export
from tests.helpers import TRAIN_DATA, char_embed_model, entities, trained_nlp


def test_each_of_ours_is_compared_with_what_is_not_ours():
    exported = EXPORTED_OURS["int8"]
    found = {OURS: [1.0, 2.0], exported: [3.0, 3.0], "ner": [1.0, 4.0], "flair": [2.0, 2.0]}
    ratios = ratios_to_peers(found)
    assert list(ratios) == [OURS, exported]
    assert all(list(of_one) == ["ner", "flair"] for of_one in ratios.values())
    assert ratios[OURS]["ner"] == {"median": 0.75, "min": 0.5, "max": 1.0}
    assert ratios[exported]["flair"] == {"median": 1.5, "min": 1.5, "max": 1.5}


@pytest.mark.parametrize("is_exported", [False, True])
def test_a_round_begins_without_words_of_the_last(is_exported, monkeypatch):
    add, n_words = word_vectors._KnownWords.add, []

    def counted(self, orths, vectors):
        n_words.append(len(orths))
        return add(self, orths, vectors)

    monkeypatch.setattr(word_vectors._KnownWords, "add", counted)
    tagger = Tagger.__new__(Tagger)  # which would be made from a config
    tagger.nlp = trained_nlp(model=char_embed_model())
    tagger.texts = [text for text, _ in TRAIN_DATA]
    if is_exported:
        export(tagger.nlp)

    def read(texts):
        n_words.clear()
        found = [entities(doc) for doc in tagger.nlp.pipe(texts)]
        return found, sum(n_words)

    read(tagger.texts)
    found, n_new = read(tagger.texts)
    assert any(found) and n_new == 0
    again, n_new = read(tagger.untokenised())
    words = {token.text for text in tagger.texts for token in tagger.nlp.make_doc(text)}
    assert (again, n_new) == (found, len(words))
