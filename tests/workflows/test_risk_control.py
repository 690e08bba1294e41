"""Conformal risk control of the recall of candidates."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf.workflows.risk_control import (
    control_recall,
    control_risk,
    docs_needed,
    scored_gold,
)
from tests.helpers import spacy_command, trained_nlp

SURE = [0.9]


def test_by_hand():
    # Nine docs and a bound of (9 R + 1) / 10 <= 0.3: two of the docs may miss their entity
    docs = [SURE] * 5 + [[0.5], [0.4], [0.2], [0.1]]
    found = control_risk([*docs, [], []], recall=0.7)
    assert found == (0.7, 0.4, 9, pytest.approx(7 / 9))
    # A doc of two entities loses half of itself with one of them
    found = control_risk([*docs[:-1], [0.1, 0.15]], recall=0.7)
    assert found.threshold == 0.4
    found = control_risk([*docs[:-2], [0.3, 0.2], [0.1, 0.15]], recall=0.7)
    assert (found.threshold, found.found) == (0.4, pytest.approx(1 - 2 / 9))
    assert control_risk([SURE] * 9, recall=0.9) == (0.9, 0.9, 9, 1.0)


def test_rounding_keeps_the_entity_that_decides():
    p = 0.0086326393
    found = control_risk([[p]] * 30, recall=0.9)
    assert p - 1e-6 < found.threshold <= p
    assert found.found == 1.0


def test_how_many_docs_it_takes():
    assert [docs_needed(recall) for recall in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]
    with pytest.raises(ValueError, match="needs 19 documents with entities, but there are 18"):
        control_risk([*[SURE] * 18, []], recall=0.95)
    assert control_risk([SURE] * 19, recall=0.95).threshold == 0.9


@pytest.mark.parametrize("recall", [0.0, 1.0, 1.5])
def test_a_recall_is_a_share(recall):
    with pytest.raises(ValueError, match=f"recall is {recall}, but it must be"):
        control_risk([SURE] * 99, recall)


def test_entities_that_can_not_be_candidates_limit_the_recall():
    docs = [SURE] * 90 + [[0.0]] * 10
    with pytest.raises(
        ValueError, match=r"10\.0% of a document's entities have a probability below 0.000001"
    ):
        control_risk(docs, recall=0.95)
    assert control_risk(docs, recall=0.85).found == pytest.approx(0.9)


docs_of_probabilities = st.lists(
    st.lists(st.sampled_from([0.001, 0.1, 0.25, 0.5, 0.75, 0.9]), max_size=3), max_size=40
)


@given(docs_of_probabilities, st.sampled_from([0.5, 0.6, 0.75, 0.8, 0.9]))
def test_it_is_the_highest_threshold_that_keeps_the_bound(docs, recall):
    with_entities = [doc for doc in docs if doc]
    n = len(with_entities)
    if n < docs_needed(recall):
        return

    def keeps(threshold):
        shares = [sum(p < threshold for p in doc) / len(doc) for doc in with_entities]
        return (sum(shares) + 1) / (n + 1) <= 1 - recall + 1e-9

    found = control_risk(docs, recall)
    assert keeps(found.threshold)
    assert not any(
        keeps(higher) for higher in (0.1, 0.25, 0.5, 0.75, 0.9, 1.0) if higher > found.threshold
    )


def test_the_recall_is_kept_on_average():
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(2000):
        docs = [list(rng.beta(2, 1, rng.integers(1, 4))) for _ in range(40)]
        *fitted, new = docs
        threshold = control_risk(fitted, recall=0.9).threshold
        missed.append(np.mean([p < threshold for p in new]))
    mean, error = np.mean(missed), np.std(missed) / np.sqrt(len(missed))
    assert mean <= 0.1 + 3 * error
    assert mean > 0.05  # and no more candidates than that takes


@pytest.fixture(scope="module")
def trained():
    return trained_nlp()


def examples_of(nlp, n=20):
    def example(words, *entities):
        predicted, reference = (Doc(nlp.vocab, words=words) for _ in range(2))
        reference.ents = [Span(reference, *entity) for entity in entities]
        return Example(predicted, reference)

    return [
        example(["I", "like", "London", "."], (2, 3, "LOC")),
        example(["Who", "is", "Shaka", "Khan", "?"], (2, 4, "PERSON")),
        example(["Nothing", "."]),
    ] * n


def test_probabilities_of_the_annotation(trained):
    ner = trained.get_pipe("ner")
    london, khan, nothing = scored_gold(ner, examples_of(trained, 1))
    assert nothing == []
    for scored, text in ((london, "I like London."), (khan, "Who is Shaka Khan?")):
        (ent,) = trained(text).ents
        assert scored == [(ent.label_, pytest.approx(ent._.confidence, abs=1e-4))]
    assert ner.candidates_threshold is None
    # A label that is not known, and an entity that is longer than any candidate
    words = ["I", "like", "London", "."]
    predicted, reference = (Doc(trained.vocab, words=words) for _ in range(2))
    reference.ents = [Span(reference, 0, 1, "CITY")]
    assert scored_gold(ner, [Example(predicted, reference)]) == [[("CITY", 0.0)]]


def test_it_is_kept_with_the_pipeline(trained, tmp_path):
    trained.meta["guarantee"] = {"ner": {"recall": 0.5}}  # the key that older versions wrote
    found = control_recall(trained, examples_of(trained), recall=0.9)[""]
    ner = trained.get_pipe("ner")
    assert ner.candidates_threshold == found.threshold
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("ner").candidates_threshold == pytest.approx(found.threshold)
    assert loaded.meta["risk_control"]["ner"]["recall"] == 0.9
    assert loaded.meta["risk_control"]["ner"]["n_docs"] == 40
    assert "ner" not in loaded.meta["guarantee"]
    doc = loaded("I like London.")
    assert [span.text for span in doc.spans["candidates"]] == ["London"]
    ner.candidates_threshold = None


def test_a_threshold_for_each_label(trained, tmp_path):
    found = control_recall(trained, examples_of(trained), recall=0.9, per_label=True)
    ner = trained.get_pipe("ner")
    assert set(found) == set(ner.labels) and found["LOC"].n_docs == 20
    assert ner.candidates_threshold == {label: one.threshold for label, one in found.items()}
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("ner").candidates_threshold == pytest.approx(ner.candidates_threshold)
    for threshold, labels in (
        (0.001, {"PERSON"}),
        ({"LOC": 0.001}, set()),
        ({"PERSON": 0.5}, {"PERSON"}),
    ):
        ner.candidates_threshold = threshold
        doc = trained("Who is Shaka Khan?")
        assert {
            span.label_ for span in doc.spans["candidates"] if span.text == "Shaka Khan"
        } == labels
    with pytest.raises(ValueError, match="candidates_threshold of 'ner' is 2"):
        ner.candidates_threshold = {"LOC": 2}
    with pytest.raises(ValueError, match="PERSON: A recall of 0"):
        control_recall(trained, examples_of(trained), recall=0.99, per_label=True)
    ner.candidates_threshold = None


def test_the_command(model, corpus, tmp_path):
    def calibrate(*options, exit_codes=(0,)):
        options = ["--output", tmp_path / "out", "--force", *options]
        return spacy_command(
            "bilstm-crf", "calibrate", model, corpus, *options, exit_codes=exit_codes
        )

    printed = calibrate("--recall", "0.8")
    assert "all labels: candidates have a probability of at least " in printed
    calibrated = spacy.load(tmp_path / "out").get_pipe("ner")
    assert calibrated.candidates_threshold is not None
    assert calibrated.cfg["temperature"] == 1.0  # nothing else is fitted to these docs
    assert "LOC: candidates have a probability of at least" in calibrate(
        "--recall", "0.5", "--per-label"
    )
    for options, said in (
        (["--recall", "0.999"], "Error: A recall of 0.999 needs 999 documents"),
        (
            ["--recall", "95"],
            "Error: Invalid value for '--recall'",
        ),
        (["--recall", "1"], "Error: The recall is 1.0, but it must be above 0 and below 1."),
        (["--per-label"], "Error: --per-label needs --recall"),
    ):
        assert said in calibrate(*options, exit_codes=(1,))
