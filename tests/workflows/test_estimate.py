"""Estimates of precision, recall and F against all tag sequences of a few texts."""

import itertools
import math
import pickle

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import fix_random_seed

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import calibrate, estimate, export
from tests.helpers import char_embed_model, make_nlp, trained_nlp, unsure_nlp

TEXTS = ["I like London", "Khan saw", "Rome"]


@pytest.fixture(scope="module")
def nlp():
    fix_random_seed(0)  # which is not set yet for what a module shares
    return unsure_nlp()


def spans_of(entities, label=None):
    return {
        (ent.start, ent.end, ent.label_) for ent in entities if label is None or ent.label_ == label
    }


@pytest.mark.parametrize("label", [None, "LOC", "PERSON"])
@pytest.mark.parametrize("threshold", [None, 0.3])
def test_estimates_are_the_means_over_all_tag_sequences(nlp, label, threshold):
    ner = nlp.get_pipe("ner")
    ner.threshold = threshold
    try:
        found = estimate(nlp, TEXTS, samples=4000)
        predicted = [spans_of(nlp(text).ents, label) for text in TEXTS]
    finally:
        ner.threshold = None
    ours = found.overall if label is None else found.by_label[label]
    sequences = [ner.k_best(nlp.make_doc(text), 10_000) for text in TEXTS]
    worlds = []
    for world in itertools.product(*sequences):
        true = [spans_of(ents, label) for ents, _ in world]
        p = math.prod(p for _, p in world)
        n_right = sum(len(one & other) for one, other in zip(true, predicted))
        worlds.append((p, sum(map(len, true)), n_right))
    assert math.fsum(p for p, _, _ in worlds) == pytest.approx(1.0, abs=1e-4)
    n_found = sum(map(len, predicted))
    assert ours.n_found == n_found
    assert ours.n_expected == pytest.approx(sum(p * n for p, n, _ in worlds), abs=0.1)
    if not n_found:
        assert ours.precision is ours.f is None
        return
    there = [(p, n, right) for p, n, right in worlds if n]
    mass = sum(p for p, _, _ in there)
    expected = {
        "precision": sum(p * right / n_found for p, _, right in worlds),
        "recall": sum(p * right / n for p, n, right in there) / mass,
        "f": sum(p * 2 * right / (n_found + n) for p, n, right in worlds),
    }
    for name, value in expected.items():
        interval = getattr(ours, name)
        assert interval.mean == pytest.approx(value, abs=0.03)
        assert interval.low <= interval.high


def test_intervals_contain_the_score_of_texts_drawn_from_the_model(nlp):
    """As the model has it, the truth is one more sample: 90 % intervals contain 90 % or more."""
    ner = nlp.get_pipe("ner")
    docs = [nlp.make_doc(text) for text in TEXTS * 5]
    texts = [doc.text for doc in docs]
    wide, narrow = (
        estimate(nlp, texts, samples=400, level=level).overall.f for level in (0.9, 0.2)
    )
    predicted = [spans_of(nlp(doc.text).ents) for doc in docs]
    n_found = sum(map(len, predicted))
    scores = []
    for world in zip(*ner.sample(docs, 300, seed=7)):
        true = [spans_of(ents) for ents in world]
        n_right = sum(len(one & other) for one, other in zip(true, predicted))
        scores.append(2 * n_right / (n_found + sum(map(len, true))))
    n_wide, n_narrow = (
        sum(of.low <= score <= of.high for score in scores) for of in (wide, narrow)
    )
    # Of the few values that F can have, some are the ends of intervals
    assert n_wide >= 0.85 * 300
    assert 0.1 * 300 <= n_narrow < n_wide


def test_texts_without_words_and_a_seed(nlp):
    empty = estimate(nlp, [""], samples=10)
    assert empty.overall == (0, 0.0, None, None, None)
    one, other = (estimate(nlp, TEXTS, samples=50, seed=3) for _ in range(2))
    assert one == other
    assert estimate(nlp, TEXTS, samples=50, seed=4) != one


def test_what_is_wrong_is_said(nlp, tmp_path):
    (warning,) = estimate(nlp, TEXTS, samples=10).warnings
    assert "'ner' is not calibrated" in warning
    saved = spacy.load(nlp.to_disk(tmp_path) or tmp_path)
    assert estimate(saved, TEXTS, samples=10).warnings == [warning]
    with pytest.raises(UserError, match="contains no text"):
        estimate(nlp, [])
    with pytest.raises(UserError, match="samples must be at least 2"):
        estimate(nlp, TEXTS, samples=1)
    with pytest.raises(UserError, match="level must be a probability"):
        estimate(nlp, TEXTS, level=95)


def test_texts_unlike_those_of_the_calibration_are_said(nlp):
    nlp = pickle.loads(pickle.dumps(nlp))
    docs = [nlp(text) for text in ["I like London", "Khan saw Rome", "Rome", "Who is Khan?"]]
    calibrate(nlp, docs)
    noted = nlp.meta["calibration_data"]["ner"]
    assert noted["entropy"] > 0.0
    assert estimate(nlp, [doc.text for doc in docs], samples=10).warnings == []
    assert noted["unknown"] is None  # hashes of words know all of them
    noted["entropy"] /= 3
    found = estimate(nlp, [doc.text for doc in docs], samples=10)
    (warning,) = found.warnings
    assert "it is 3.0 times as uncertain about a word. " in warning
    assert found.familiarity.entropy == pytest.approx(3 * found.of_calibration.entropy)
    del noted["entropy"], noted["unknown"]  # as pipelines of earlier versions are
    assert estimate(nlp, [doc.text for doc in docs], samples=10).warnings == []


@pytest.mark.parametrize("exported", [False, True])
def test_texts_of_unknown_words_are_said(exported):
    nlp = trained_nlp(model=char_embed_model())
    if exported:
        nlp = export(nlp).nlp
    docs = [nlp(text) for text in ["I like London", "Who is Khan ?", "Rome and \n London"]]
    calibrate(nlp, docs)
    noted = nlp.meta["calibration_data"]["ner"]
    assert noted["unknown"] == pytest.approx(1 / 10)  # Rome
    noted["entropy"] = None
    few, some = ["I like London and Berlin", "Rome"], ["I like London", "Ada likes Rome"]
    found = estimate(nlp, few, samples=10)
    assert found.familiarity.unknown == pytest.approx(1 / 6)
    (warning,) = found.warnings
    assert "it does not know 16.7 % of their words, against 10.0 % there. " in warning
    assert "does not know 50.0 %" in estimate(nlp, some, samples=10).warnings[0]
    noted["unknown"] = 0.12
    assert estimate(nlp, few, samples=10).warnings == []
    noted["entropy"] = 1e-9
    assert (
        " times as uncertain about a word and does not know 50.0 %"
        in (estimate(nlp, some, samples=10).warnings[0])
    )


def test_entities_of_other_components_count_as_right():
    nlp = make_nlp()

    @Language.component("sets_an_entity")
    def sets_an_entity(doc: Doc) -> Doc:
        doc.set_ents([Span(doc, 0, 1, "LOC")])
        return doc

    nlp.add_pipe("sets_an_entity", first=True)
    found = estimate(nlp, ["London"], samples=20)
    assert found.by_label["LOC"] == (1, 1.0, (1, 1, 1), (1, 1, 1), (1, 1, 1))
