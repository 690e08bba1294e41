"""The study of entities that overlap: its scores by hand, and its reader on a tiny corpus."""

import pytest

from benchmarks.spans import corpora
from benchmarks.spans.accuracy import f_score, overlap_f_score, overlapping, scores
from benchmarks.spans.corpora import KEY, Corpus, docs_of, published, read

OUTER, INNER, ALONE = (0, 3, "A"), (1, 2, "B"), (4, 5, "A")


def test_entities_that_overlap():
    assert overlapping({OUTER, INNER, ALONE}) == {OUTER, INNER}
    assert overlapping({OUTER, (0, 3, "B")}) == {OUTER, (0, 3, "B")}
    assert overlapping({(0, 2, "A"), (2, 4, "A")}) == set()


def test_scores():
    gold = [{OUTER, INNER, ALONE}, set()]
    found = [{OUTER, ALONE, (5, 6, "A")}, {(0, 1, "B")}]
    assert f_score(gold, found) == pytest.approx(100 * 2 * 2 / (3 + 4))
    # One of two annotated ones is found, and no found one overlaps another
    assert overlap_f_score(gold, found, True) == 0.0
    assert overlap_f_score(gold, [{OUTER, INNER}, set()], True) == 100.0
    # Recall 1 of 1; precision 2 of 4
    assert overlap_f_score(gold, found, False) == pytest.approx(100 * 2 * 1 * 0.5 / 1.5)
    by_label = scores([corpora.Sentence([], {"X": gold[0]})], found[:1])["by_label"]
    assert by_label == {"A": pytest.approx(80.0), "B": 0.0}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A corpus of two sentences, in the layout of the repository."""
    files = {
        "labels/A/A_test.conll": "a B-A\nb I-A\nc I-A\n\nd O\ne B-A\n",
        "labels/rest/rest_test.conll": "a O\nb B-B\nc O\n\nd B-C\ne O\n",
        "predictions/mlc/A_test.tsv": "a B-A B-A\nb I-A O\nc I-A O\n\nd O O\ne B-A B-A\n",
        "predictions/mlc/REST_test.tsv": "a O O\nb B-B B-B\nc O O\n\nd B-C O\ne O O\n\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setitem(corpora.CORPORA, "tiny", Corpus("en", "labels", "predictions"))
    return tmp_path


def test_the_files_of_all_labels_are_merged(checkout):
    sentences = read(checkout, "tiny", "test")
    assert [sentence.words for sentence in sentences] == [["a", "b", "c"], ["d", "e"]]
    assert [s.entities for s in sentences] == [{OUTER, INNER}, {(1, 2, "A"), (0, 1, "C")}]
    assert sentences[0].groups == {"A": {OUTER}, "rest": {INNER}}
    found = published(checkout, "tiny")
    assert [s.entities for s in found] == [{(0, 1, "A"), INNER}, {(1, 2, "A")}]
    first, _ = docs_of(sentences, "en")
    assert [(span.text, span.label_) for span in first.spans[KEY]] == [("a b c", "A"), ("b", "B")]
    first, second = docs_of(sentences, "en", "rest")
    assert [(ent.text, ent.label_) for ent in (*first.ents, *second.ents)] == [
        ("b", "B"),
        ("d", "C"),
    ]


def test_files_that_differ_are_no_corpus(checkout):
    path = checkout / "labels/rest/rest_test.conll"
    path.write_text(path.read_text().replace("e O", "f O"))
    with pytest.raises(SystemExit, match="differ in the sentence 'd e'"):
        read(checkout, "tiny", "test")
