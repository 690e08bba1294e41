"""Scores: by hand, against nervaluate where that is right, against spaCy's scorer."""

from collections import Counter

import numpy as np
import pytest
import spacy
from hypothesis import assume, given
from hypothesis import strategies as st
from spacy.pipeline.spancat import spancat_score
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf.data.entity_source import EntitySource
from spacy_bilstm_crf.workflows.report import metrics
from spacy_bilstm_crf.workflows.report.matching import matched, overlap
from spacy_bilstm_crf.workflows.report.mentions import compared
from spacy_bilstm_crf.workflows.report.metrics import (
    CATEGORIES,
    bootstrap_weights,
    prf,
    scheme_scores,
    semeval,
)
from spacy_bilstm_crf.workflows.report.slices import ALL, count_by_group
from tests.workflows.report.docs import LABELS, doc_of, docs, overlapping_doc_of

NLP = spacy.blank("xx")
NAMES = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}


def schemes(*docs):
    return {name: tuple(each.values())[:5] for name, each in semeval(docs).items()}


@pytest.mark.parametrize(
    "gold, predicted, strict, exact, partial, of_type",
    # Correct, incorrect, partial, missing or spurious, under each scheme
    [
        ((0, 2, "A"), (0, 2, "A"), "COR", "COR", "COR", "COR"),
        ((0, 2, "A"), (0, 2, "B"), "INC", "COR", "COR", "INC"),
        ((0, 2, "A"), (1, 3, "A"), "INC", "INC", "PAR", "COR"),
        ((0, 2, "A"), (1, 3, "B"), "INC", "INC", "PAR", "INC"),
        ((0, 2, "A"), None, *["MIS"] * 4),
        (None, (0, 2, "A"), *["SPU"] * 4),
    ],
)
def test_each_case(gold, predicted, strict, exact, partial, of_type):
    doc = doc_of(*([side] if side else [] for side in (gold, predicted)))
    names = dict(zip(NAMES, (strict, exact, partial, of_type)))
    assert schemes(doc) == {scheme: only(name) for scheme, name in names.items()}


def only(category):
    return tuple(int(name == category) for name in CATEGORIES)


def test_a_hand_worked_example():
    doc = doc_of(
        [(0, 2, "A"), (3, 5, "A"), (6, 8, "B"), (9, 10, "B")],
        [(0, 2, "A"), (4, 5, "A"), (6, 8, "A"), (11, 12, "B"), (13, 14, "B")],
    )
    partial = semeval([doc])["partial"]
    assert partial == {
        "cor": 2,
        "inc": 0,
        "par": 1,
        "mis": 1,
        "spu": 2,
        "precision": 2.5 / 5,
        "recall": 2.5 / 4,
        "f": pytest.approx(2 * 0.5 * 0.625 / (0.5 + 0.625)),
    }
    assert semeval([doc])["type"]["recall"] == 2 / 4


def test_nothing_has_no_scores():
    assert scheme_scores(Counter())["f"] is None
    assert scheme_scores(Counter(MIS=3))["precision"] is None
    assert scheme_scores(Counter(MIS=3))["f"] == 0.0


def evaluator(doc, end=-1):
    """nervaluate's. Its dictionaries have the last token of an entity, not the one behind it."""
    sides = [
        [[{"label": m.label, "start": m.start, "end": m.end + end} for m in side]]
        for side in (doc.gold, doc.predicted)
    ]
    nervaluate = pytest.importorskip("nervaluate", reason="1.0 needs Python 3.11")
    return nervaluate.Evaluator(*sides, tags=LABELS, loader="dict")


def by_nervaluate(doc, end=-1):
    found = evaluator(doc, end).evaluate()["overall"]
    return {
        ours: tuple(
            getattr(found[theirs], name)
            for name in ("correct", "incorrect", "partial", "missed", "spurious")
        )
        for ours, theirs in NAMES.items()
    }


@given(docs)
def test_nervaluate_agrees_where_there_is_one_matching(doc):
    for side, other in ((doc.gold, doc.predicted), (doc.predicted, doc.gold)):
        assume(all(sum(overlap(one, two) > 0 for two in other) <= 1 for one in side))
    assert schemes(doc) == by_nervaluate(doc)


@given(docs)
def test_nervaluate_agrees_on_what_is_exactly_right_and_never_finds_more(doc):
    ours, theirs = schemes(doc), by_nervaluate(doc)
    assert ours["strict"][0] == theirs["strict"][0]
    assert ours["exact"][0] == theirs["exact"][0]
    for name in NAMES:
        assert credit(ours, name) >= credit(theirs, name)


def credit(counts, name):
    correct, _, partial, _, _ = counts[name]
    return correct + partial / 2


def test_nervaluate_matches_in_the_order_of_the_predicted_entities():
    """So the first takes the gold entity that the second would match better or alone."""
    doc = doc_of([(0, 3, "A"), (4, 6, "B")], [(2, 5, "B"), (5, 6, "B")])
    assert schemes(doc)["type"] == (1, 1, 0, 0, 0)
    assert by_nervaluate(doc)["type"] == (1, 0, 0, 1, 1)


def test_nervaluate_takes_ends_as_inclusive():
    neighbours = doc_of([(0, 2, "A")], [(2, 3, "A")])
    assert schemes(neighbours)["partial"] == by_nervaluate(neighbours)["partial"]
    assert by_nervaluate(neighbours, end=0)["partial"] == (0, 0, 1, 0, 0)  # share nothing


def test_nervaluate_counts_a_wrong_label_twice_by_label():
    doc = doc_of([(0, 2, "A")], [(0, 2, "B")])
    assert by_nervaluate(doc)["exact"] == (1, 0, 0, 0, 0)
    by_label = evaluator(doc).evaluate()["entities"]
    assert (by_label["A"]["exact"].missed, by_label["B"]["exact"].spurious) == (1, 1)


def test_nervaluate_leaves_small_overlaps_of_long_entities_out():
    doc = doc_of([(0, 101, "A")], [(100, 101, "A")])
    assert schemes(doc)["partial"] == (0, 0, 1, 0, 0)
    assert by_nervaluate(doc)["partial"] == (0, 0, 0, 1, 1)


@st.composite
def examples(draw):
    """Docs of one text, with tokens of their own, of which not all need be annotated."""
    n_characters = draw(st.integers(1, 10))
    text = "abcdefghij"[:n_characters]
    made = []
    for is_gold in (False, True):
        cuts = draw(st.sets(st.integers(1, n_characters)))
        ends = sorted({*cuts, n_characters})
        words = [text[first:last] for first, last in zip([0, *ends], ends)]
        doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
        places = draw(st.lists(st.integers(0, len(doc)), unique=True).map(sorted))
        spans = [
            Span(doc, first, last, label=draw(st.sampled_from(LABELS)))
            for first, last in zip(places[::2], places[1::2])
        ]
        unknown = is_gold and draw(st.booleans())
        if draw(st.integers(0, 4)) or not is_gold:
            doc.set_ents(spans, default="missing" if unknown else "outside")
        made.append(doc)
    return Example(*made)


@given(st.lists(examples(), min_size=1, max_size=4))
def test_strict_scores_are_those_of_spacy(several):
    scores = Scorer(default_lang="xx", default_pipeline=["ner"]).score(several)
    found = [
        compared(0, example.reference, example.predicted, "", lambda ent, doc: ())
        for example in several
    ]
    found = [doc for doc in found if doc is not None]
    groups, counts = count_by_group(found, None)
    ours = dict(zip(groups, prf(counts.sum(0).astype(float))))
    strict = semeval(found)["strict"]
    of_strict = [strict[name] for name in ("precision", "recall", "f")]
    for place, name in enumerate(("p", "r", "f")):
        value = scores[f"ents_{name}"]
        if value is None:
            assert not found or not (strict["cor"] + strict["inc"] + strict["mis"] + strict["spu"])
            continue
        # spaCy says 0 where there is nothing to divide by
        assert np.nan_to_num(ours[ALL][place]) == pytest.approx(value)
        assert (of_strict[place] or 0.0) == pytest.approx(value)
        for label, of_label in scores["ents_per_type"].items():
            if ("label", label) not in ours:  # all that has it is on tokens without annotation
                assert not any(of_label.values())
                continue
            assert np.nan_to_num(ours["label", label][place]) == pytest.approx(of_label[name])


@st.composite
def examples_with_spans(draw):
    """Docs of one text, with tokens of their own, whose spans overlap and may occur twice."""
    n_characters = draw(st.integers(1, 8))
    text = "abcdefgh"[:n_characters]
    made = []
    for _ in range(2):
        cuts = draw(st.sets(st.integers(1, n_characters)))
        ends = sorted({*cuts, n_characters})
        words = [text[first:last] for first, last in zip([0, *ends], ends)]
        doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
        spans = []
        for _ in range(draw(st.integers(0, 6))):
            first = draw(st.integers(0, len(doc) - 1))
            last = draw(st.integers(first + 1, len(doc)))
            spans.append(Span(doc, first, last, label=draw(st.sampled_from(LABELS))))
        if draw(st.integers(0, 4)):
            doc.spans["sc"] = spans
        made.append(doc)
    return Example(*made)


@given(st.lists(examples_with_spans(), min_size=1, max_size=4))
def test_scores_of_spans_are_those_of_spancat(several):
    scores = spancat_score(several, spans_key="sc")
    found = [
        compared(0, eg.reference, eg.predicted, "", lambda ent, doc: (), EntitySource("sc"))
        for eg in several
    ]
    found = [doc for doc in found if doc is not None]
    groups, counts = count_by_group(found, None)
    totals = counts.sum(0)
    ours = dict(zip(groups, prf(totals.astype(float))))
    strict = semeval(found)["strict"]
    pairs = [pair for doc in found for pair in matched(doc).pairs]
    n_right = sum(gold.key == other.key for gold, other in pairs)
    assert strict["cor"] == n_right == totals[groups.index(ALL)][-1]
    for place, name in enumerate(("p", "r", "f")):
        value = scores[f"spans_sc_{name}"]
        if value is None:
            assert not found or not totals.any()
            continue
        assert np.nan_to_num(ours[ALL][place]) == pytest.approx(value)
        for label, of_label in scores["spans_sc_per_type"].items():
            if ("label", label) not in ours:  # no token of the annotation has its text
                assert not any(of_label.values())
                continue
            assert np.nan_to_num(ours["label", label][place]) == pytest.approx(of_label[name])


@given(docs)
def test_entities_without_overlap_have_the_same_scores_wherever_they_are(doc):
    keys = [[m.key for m in side] for side in (doc.gold, doc.predicted)]
    as_spans = overlapping_doc_of(*keys)
    assert semeval([as_spans]).keys() == semeval([doc]).keys()
    for name in ("strict", "exact", "type"):
        one, other = semeval([as_spans])[name], semeval([doc])[name]
        assert [one[each] for each in ("cor", "precision", "recall", "f")] == [
            other[each] for each in ("cor", "precision", "recall", "f")
        ]
    assert credit(schemes(as_spans), "partial") <= credit(schemes(doc), "partial")


def test_an_overlap_counts_half_only_with_the_right_label_where_entities_may_overlap():
    doc = overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 2, "B"), (2, 3, "B")])
    assert schemes(doc)["partial"] == (1, 0, 0, 1, 1)
    doc = overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 2, "A"), (2, 3, "A")])
    assert schemes(doc)["partial"] == (1, 0, 1, 0, 0)
    assert schemes(doc)["type"] == (1, 1, 0, 0, 0)


def random_counts(n_docs, seed=0):
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 6, size=(2, n_docs))
    right = rng.binomial(np.minimum(gold, predicted), 0.8)
    return np.stack([gold, right, predicted, right], axis=-1)[:, None, :]


def test_resamples_are_drawn_with_replacement():
    drawn = np.concatenate(bootstrap_weights(30))
    assert drawn.shape == (metrics.N_RESAMPLES, 30)
    assert (drawn.sum(1) == 30).all()
    assert drawn.mean(0) == pytest.approx(1, abs=0.15)
    assert (drawn == 0).mean() == pytest.approx((1 - 1 / 30) ** 30, abs=0.01)
    np.testing.assert_array_equal(drawn, np.concatenate(bootstrap_weights(30)))


def test_resampled_scores_are_those_of_the_docs_that_were_drawn():
    counts, drawn = random_counts(7), bootstrap_weights(7)
    samples = metrics.resampled(counts, drawn)
    for row in (0, 60, 999):
        docs = np.repeat(counts, np.concatenate(drawn)[row].astype(int), axis=0)
        np.testing.assert_allclose(samples[row], prf(docs.sum(0).astype(float)), rtol=1e-6)


def test_intervals_hold_the_true_value_in_95_of_100_samples():
    truth = prf(random_counts(200_000, seed=1).sum(0).astype(float))[0]
    held = []
    for seed in range(2, 102):
        counts = random_counts(80, seed)
        (scored,) = metrics.scores(counts, metrics.resampled(counts, bootstrap_weights(80)))
        held.append([
            scored[name]["low"] <= truth[place] <= scored[name]["high"]
            for place, name in enumerate(("precision", "recall", "f"))
        ])  # fmt: skip
    share = np.mean(held, axis=0)
    assert (share >= 0.88).all() and (share <= 1.0).all()


def test_labels_without_entities_have_no_values():
    counts = np.array([[[0, 0, 0, 0], [2, 0, 0, 0]]])
    nothing, missed = metrics.scores(counts, metrics.resampled(counts, bootstrap_weights(1)))
    assert nothing["f"] == {"value": None, "low": None, "high": None}
    assert missed["precision"]["value"] is None
    assert missed["f"] == {"value": 0.0, "low": 0.0, "high": 0.0}
