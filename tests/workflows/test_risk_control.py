"""Conformal risk control of the recall of candidates."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.decoding import LEAST_PROBABILITY
from spacy_bilstm_crf.workflows import calibrate
from spacy_bilstm_crf.workflows.risk_control import (
    LikelySpan,
    ScoredDoc,
    control_recall,
    control_risk,
    docs_needed,
    recall_levels,
    scored_docs,
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


def test_entities_that_can_not_be_candidates_count_as_missed():
    docs = [SURE] * 90 + [[0.0]] * 10
    found = control_risk(docs, recall=0.85)
    assert found.found == pytest.approx(0.9) and found.is_reached
    found = control_risk(docs, recall=0.95)  # nothing is refused for what the data hold
    assert found == (0.95, LEAST_PROBABILITY, 100, pytest.approx(0.9))
    assert not found.is_reached


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


@pytest.mark.parametrize(
    "recall, n_docs, lost",
    [
        (0.9, 39, 0),
        (0.95, 19, 0.06),
        (0.9, 9, 0.08),
        (0.9, 9, 0.15),
        (0.95, 100, 0.06),
        (0.9, 39, 1),
    ],
)
def test_the_recall_is_kept_on_average(recall, n_docs, lost):
    """`lost` is the share of entities that can't be candidates, whatever the threshold."""
    rng = np.random.default_rng(0)
    missed, bounds = [], []
    for _ in range(1500):
        docs = [rng.beta(3, 0.7, rng.integers(1, 4)) for _ in range(n_docs + 1)]
        docs = [doc * (rng.random(len(doc)) >= lost) for doc in docs]
        *fitted, new = docs
        threshold = control_risk([list(doc) for doc in fitted], recall).threshold
        missed.append(np.mean(new < threshold))
        never_found = np.mean([np.mean(doc < LEAST_PROBABILITY) for doc in docs])
        bounds.append(max(1 - recall, never_found))
    excess = np.subtract(missed, bounds)
    error = 3 * np.std(excess) / np.sqrt(len(excess))
    assert np.mean(excess) <= error
    if not lost:
        assert np.mean(missed) > 0.5 * (1 - recall)  # and no more candidates than that takes


def test_to_refuse_what_misses_too_much_would_break_the_bound():
    """Why no data are refused: those that are left are too easy."""
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(1500):
        docs = [[float(rng.beta(3, 0.7) * (rng.random() >= 0.06))] for _ in range(19)]
        found = control_risk(docs, recall=0.95)
        if found.is_reached:
            missed.append(
                np.mean(rng.beta(3, 0.7, 20) * (rng.random(20) >= 0.06) < found.threshold)
            )
    assert np.mean(missed) > 0.08


def test_the_price_of_a_level():
    docs = [
        ScoredDoc(
            [("LOC", 0.9)],
            [
                LikelySpan(0, 2, "LOC", 0.9),
                LikelySpan(1, 3, "PER", 0.2),
                LikelySpan(5, 6, "LOC", 0.1),
            ],
            10,
        )
    ] * 20
    found = recall_levels(docs, "", recall=0.5)
    assert [level.control.recall for level in found] == [0.5, 0.9, 0.95]  # 0.98 needs 49 docs
    assert found[0] == (control_risk([[0.9]] * 20, 0.5), 1.0, 0.2)
    unsure = [ScoredDoc([("LOC", 0.15)], docs[0].candidates, 10)] * 20
    (level, *_) = recall_levels(unsure, "", recall=0.9)
    assert (level.candidates, level.tokens) == (2.0, 0.3)  # two that overlap cover three tokens
    (level, *_) = recall_levels(unsure, "LOC", recall=0.9)
    assert (level.candidates, level.tokens) == (1.0, 0.2)


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
    docs = scored_docs(ner, examples_of(trained, 1))
    london, khan, nothing = (doc.gold for doc in docs)
    assert nothing == [] and [doc.n_tokens for doc in docs] == [4, 5, 2]
    (likely,) = [span for span in docs[0].candidates if span.probability > 0.5]
    assert likely == LikelySpan(2, 3, "LOC", london[0][1])
    for scored, text in ((london, "I like London."), (khan, "Who is Shaka Khan?")):
        (ent,) = trained(text).ents
        assert scored == [(ent.label_, pytest.approx(ent._.confidence, abs=1e-4))]
    assert ner.candidates_threshold is None
    # A label that is not known, and an entity that is longer than any candidate
    words = ["I", "like", "London", "."]
    predicted, reference = (Doc(trained.vocab, words=words) for _ in range(2))
    reference.ents = [Span(reference, 0, 1, "CITY")]
    (scored,) = scored_docs(ner, [Example(predicted, reference)])
    assert scored.gold == [("CITY", 0.0)]
    for longest, is_possible in ((1, False), (2, True)):
        scored = scored_docs(ner, examples_of(trained, 1)[1:2], longest)[0].gold
        assert (scored[0][1] > 0.5) == is_possible


def test_it_is_kept_with_the_pipeline(trained, tmp_path):
    trained.meta["guarantee"] = {"ner": {"recall": 0.5}}  # the key that older versions wrote
    ner = trained.get_pipe("ner")
    docs = scored_docs(ner, examples_of(trained))
    found = control_recall(trained, docs, recall=0.9)[""]
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
    ner = trained.get_pipe("ner")
    docs = scored_docs(ner, examples_of(trained))
    found = control_recall(trained, docs, recall=0.9, per_label=True)
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
    with pytest.raises(ValueError, match="candidates_threshold of 'ner' for LOC is 2"):
        ner.candidates_threshold = {"LOC": 2}
    with pytest.raises(ValueError, match="PERSON: A recall of 0"):
        control_recall(trained, docs, recall=0.99, per_label=True)
    ner.candidates_threshold = None


def test_the_command(model, corpus, tmp_path):
    def run(*options, exit_codes=(0,)):
        options = ["--output", tmp_path / "out", "--force", *options]
        return spacy_command(
            "bilstm-crf", "calibrate", model, corpus, *options, exit_codes=exit_codes
        )

    printed = run("--recall", "0.8")
    assert "all labels: candidates have a probability of at least " in printed
    rows = [line.split() for line in printed.splitlines() if line.startswith("0.")]
    assert [row[0] for row in rows] == ["0.8"]  # for 0.9 there are too few documents
    assert all(row[2].endswith("%") and row[4].endswith("%") for row in rows)
    assert "candidates per entity   tokens inside candidates" in printed
    calibrated = spacy.load(tmp_path / "out").get_pipe("ner")
    assert calibrated.candidates_threshold is not None
    assert calibrated.cfg["temperature"] == 1.0  # nothing else is fitted to these docs
    assert calibrated.candidates_max_length == 1000
    printed = run("--recall", "0.5", "--per-label")
    assert "LOC: candidates have a probability of at least" in printed
    assert [line.split()[0] for line in printed.splitlines() if "%  " in line] == ["LOC", "PERSON"]
    for options, said in (
        (["--recall", "0.999"], "Error: A recall of 0.999 needs 999 documents"),
        (
            ["--recall", "95"],
            "Error: Invalid value for '--recall'",
        ),
        (["--recall", "1"], "Error: The recall is 1.0, but it must be above 0 and below 1."),
        (["--per-label"], "Error: --per-label needs --recall"),
    ):
        assert said in run(*options, exit_codes=(1,))


def docs_of(nlp, n=20):
    return [example.reference for example in examples_of(nlp, n)]


def test_used_documents_are_said(trained, tmp_path):
    """By provenance alone: the config's files, and what `calibrate` has noted."""
    nlp = trained_nlp()
    docs, others = docs_of(nlp), docs_of(nlp)
    for i, doc in enumerate(others):  # the same texts, each with a number
        others[i] = Doc(nlp.vocab, words=[*(token.text for token in doc), str(i)])
        others[i].ents = [Span(others[i], ent.start, ent.end, ent.label_) for ent in doc.ents]
    assert calibrate(nlp, docs, recall=0.9).warnings == []  # made in memory: nothing is known
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    nlp.config["paths"]["dev"] = str(tmp_path / "dev.spacy")
    nlp.config["paths"]["train"] = "gone/train.spacy"
    chosen, unread = calibrate(nlp, docs, recall=0.9).warnings
    assert chosen.startswith("60 of the documents are in ") and "model was chosen" in chosen
    assert "not exchangeable" in chosen and "Hold out other documents" in chosen
    assert unread.startswith("Can't read gone/train.spacy, on which the model was trained.")
    assert calibrate(nlp, others, recall=0.9).warnings == [unread]
    # Which the calibration itself may use, but not the documents of the training
    assert calibrate(nlp, docs).warnings == [
        "The recall that candidates_threshold of 'ner' was set for no longer holds, since the "
        "probabilities have changed: run calibrate --recall again."
    ]
    assert "risk_control" not in nlp.meta or "ner" not in nlp.meta["risk_control"]
    nlp.config["paths"]["train"] = str(tmp_path / "dev.spacy")
    trained_on, unchanged = calibrate(nlp, docs).warnings  # as a moment ago
    assert "on which the model was trained. The model knows these" in trained_on
    assert unchanged.startswith("The calibration has not changed")
    nlp.config["paths"].update(train=None, dev=None)
    (calibrated_on,) = calibrate(nlp, docs, recall=0.9).warnings
    assert calibrated_on.startswith("60 of the documents are those on which it was calibrated")
    assert calibrate(nlp, others, recall=0.9).warnings == []


def test_a_label_that_the_model_lacks_counts_as_missed(trained):
    docs = docs_of(trained)
    for doc in docs[2::3]:
        doc.ents = [Span(doc, 0, 1, "CITY")]
    found = calibrate(trained, docs, recall=0.9)
    lacking, missed = found.warnings
    assert "have labels that 'ner' lacks: CITY (20). It has PERSON, LOC." in lacking
    assert "20" not in missed and "66.7% of a document's entities are candidates" in missed
    assert not found.risk_control[""].is_reached
    assert trained.get_pipe("ner").candidates_threshold == LEAST_PROBABILITY
    trained.get_pipe("ner").candidates_threshold = None
