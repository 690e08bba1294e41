"""Agreement: by hand, against nervaluate, against a report, and kappa from its definition."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import spacy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.workflows import agreement
from spacy_bilstm_crf.workflows.agreement.measures import kappa
from spacy_bilstm_crf.workflows.report.contents import report_numbers
from spacy_bilstm_crf.workflows.report.mentions import Compared, Mention
from tests.workflows.report.docs import LABELS, entities, overlapping_entities

NLP = spacy.blank("en")
few_examples = settings(max_examples=20)  # of which each takes 1,000 resamples
N_TOKENS = 12


def doc_of(spans, number=0, unknown=(), key=None):
    """A doc of one-letter words, the first of which tells it from others."""
    doc = Doc(NLP.vocab, words=[chr(ord("a") + number), *"x" * (N_TOKENS - 1)])
    ents = [Span(doc, *span) for span in spans]
    if key is not None:
        doc.spans[key] = ents
        return doc
    doc.set_ents(ents, missing=[doc[i : i + 1] for i in unknown], default="outside")
    return doc


def numbers_of(annotators, **settings):
    """Of docs that are each a list of entities."""
    key = settings.get("spans_key")
    docs = {
        who: [doc_of(spans, number, key=key) for number, spans in enumerate(of_one)]
        for who, of_one in annotators.items()
    }
    return agreement(docs, **settings).numbers


def evaluated(one, other, label):
    """nervaluate's strict and partial F of a label. Its entities end with their last token."""
    sides = [
        [
            [{"label": label, "start": s, "end": e - 1} for s, e, name in spans if name == label]
            for spans in side
        ]
        for side in (one, other)
    ]
    found = Evaluator(*sides, tags=[label], loader="dict").evaluate()["overall"]
    return found["strict"].f1, found["partial"].f1


lists_of_entities = st.lists(
    st.tuples(entities(N_TOKENS), entities(N_TOKENS)), min_size=1, max_size=4
)


@few_examples
@given(lists_of_entities)
def test_f_of_a_label_is_that_of_nervaluate(docs):
    one, other = zip(*docs)
    for label in LABELS:  # of several matchings nervaluate need not take the best
        for sides in docs:
            ours, theirs = ([s for s in side if s[2] == label] for side in sides)
            for side, across in ((ours, theirs), (theirs, ours)):
                assume(all(sum(a < f and s < b for a, b, _ in across) <= 1 for s, f, _ in side))
    found = numbers_of({"one": one, "other": other})["pairs"][0]["by_label"]
    for label in LABELS:
        n_entities = sum(s[2] == label for sides in docs for side in sides for s in side)
        assert (label in found) == (n_entities > 0)
        if n_entities:
            strict, partial = evaluated(one, other, label)
            assert found[label]["strict"]["value"] == pytest.approx(strict)
            assert found[label]["overlap"]["value"] == pytest.approx(partial)


def compared(one, other, number):
    sides = (
        tuple(Mention(*span, "", 2 * span[0], 2 * span[1] - 1) for span in side)
        for side in (one, other)
    )
    return Compared(number, "", "", *sides)


@few_examples
@given(lists_of_entities)
def test_strict_f_and_its_interval_are_those_of_a_report(docs):
    one, other = zip(*docs)
    numbers = numbers_of({"one": one, "other": other})
    expected = report_numbers([compared(*sides, i) for i, sides in enumerate(docs)])
    (pair,) = numbers["pairs"]
    assert pair["strict"] == pytest.approx(expected["overall"]["f"])
    assert pair["entities"] == [expected["overall"]["gold"], expected["overall"]["predicted"]]
    assert pair["same"] == expected["overall"]["right"]
    assert pair["semeval"] == {name: each["f"] for name, each in expected["semeval"].items()}
    for label, each in pair["by_label"].items():
        assert each["strict"] == pytest.approx(expected["by_label"][label]["f"])
    # With two annotators, all pairs are this one
    assert numbers["overall"] == {key: pair[key] for key in numbers["overall"]}
    assert numbers["by_label"] == pair["by_label"]


@few_examples
@given(lists_of_entities)
def test_it_is_the_same_either_way(docs):
    one, other = zip(*docs)
    ours = numbers_of({"a": one, "b": other}, kappa=True)["pairs"][0]
    theirs = numbers_of({"a": other, "b": one}, kappa=True)["pairs"][0]
    for name in ("strict", "overlap", "kappa"):
        assert ours[name] == pytest.approx(theirs[name])
    assert ours["entities"] == theirs["entities"][::-1]


def test_by_hand():
    one = [[(0, 2, "A"), (3, 5, "A"), (6, 8, "B")], [(0, 1, "B")]]
    other = [[(0, 2, "A"), (4, 5, "A"), (6, 8, "A")], []]
    (pair,) = numbers_of({"one": one, "other": other})["pairs"]
    assert (pair["n_docs"], pair["n_tokens"]) == (2, 2 * N_TOKENS)
    assert (pair["entities"], pair["same"]) == ([4, 3], 1)
    assert pair["strict"]["value"] == pytest.approx(2 * 1 / 7)
    assert pair["overlap"]["value"] == pytest.approx(2 * 1.5 / 7)
    by_label = pair["by_label"]
    assert list(by_label) == ["A", "B"]
    assert by_label["A"]["strict"]["value"] == pytest.approx(2 * 1 / 5)
    assert by_label["A"]["overlap"]["value"] == pytest.approx(2 * 1.5 / 5)
    assert by_label["B"]["overlap"]["value"] == 0.0
    assert by_label["B"]["entities"] == [2, 0]


def kappa_of(one, other):
    """From the definition, label by label, on the tokens of all docs."""
    n = len(one)
    observed = sum(a == b for a, b in zip(one, other)) / n
    of_one, of_other = Counter(one), Counter(other)
    expected = sum(of_one[label] * of_other[label] for label in {*one, *other}) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def token_labels(docs):
    tags = []
    for spans in docs:
        of_doc = [""] * N_TOKENS
        for start, end, label in spans:
            of_doc[start:end] = [label] * (end - start)
        tags += of_doc
    return tags


@few_examples
@given(lists_of_entities)
def test_kappa_is_that_of_its_definition(docs):
    one, other = zip(*docs)
    found = numbers_of({"one": one, "other": other}, kappa=True)["pairs"][0]["kappa"]
    expected = kappa_of(token_labels(one), token_labels(other))
    assert found["value"] == (None if expected is None else pytest.approx(expected))
    assert expected is None or found["low"] <= found["high"]


def test_kappa_of_the_textbook():
    # 50 proposals: both accept 20, both reject 15, one accepts 5 and the other 10 alone
    assert kappa(np.array([50.0, 35, 25, 25, 30, 20])) == pytest.approx(0.4)
    assert np.isnan(kappa(np.array([8.0, 8, 8, 0, 8, 0])))  # nobody has marked anything


def test_nothing_marked_has_no_numbers():
    numbers = numbers_of({"one": [[]], "other": [[]]}, kappa=True)
    (pair,) = numbers["pairs"]
    nothing = {"value": None, "low": None, "high": None}
    assert pair["strict"] == pair["overlap"] == pair["kappa"] == nothing
    assert numbers["overall"]["kappa"] == nothing
    assert numbers["n_disagreements"] == 0 and numbers["by_label"] == {}


def test_what_one_has_not_annotated_is_left_out():
    spans = [(0, 2, "A"), (3, 5, "A"), (6, 7, "B")]
    one, other = doc_of(spans), doc_of([spans[1]], unknown=[1, 6, 9])
    (pair,) = agreement({"one": [one], "other": [other]}, kappa=True).numbers["pairs"]
    assert (pair["entities"], pair["strict"]["value"]) == ([1, 1], 1.0)
    # Of an entity on unknown tokens, the known ones are left out as well
    assert (pair["n_tokens"], pair["kappa"]["value"]) == (N_TOKENS - 4, 1.0)
    numbers = agreement({"one": [one], "other": [other]}).numbers
    assert numbers["n_disagreements"] == 0


@few_examples
@given(st.lists(st.tuples(*[st.none() | entities(N_TOKENS)] * 3), min_size=1, max_size=4))
def test_three_annotators_are_three_pairs(docs):
    """Of each pair the texts that both have; in all, the entities of all pairs count."""
    by_annotator = dict(zip("abc", zip(*docs)))
    pairs = {
        names: [
            (one, other)
            for one, other in zip(*(by_annotator[who] for who in names))
            if one is not None and other is not None
        ]
        for names in combinations("abc", 2)
    }
    pairs = {names: of_pair for names, of_pair in pairs.items() if of_pair}
    assume(pairs)
    given_docs = {
        who: [doc_of(spans, i) for i, spans in enumerate(of_one) if spans is not None]
        for who, of_one in by_annotator.items()
    }
    numbers = agreement({who: d for who, d in given_docs.items() if d}, kappa=True).numbers
    assert [tuple(pair["annotators"]) for pair in numbers["pairs"]] == sorted(pairs)
    right = total = 0
    kappas = []
    for pair in numbers["pairs"]:
        of_pair = pairs[tuple(pair["annotators"])]
        alone = numbers_of(dict(zip("xy", zip(*of_pair))), kappa=True)["pairs"][0]
        assert {**pair, "annotators": 0} == {**alone, "annotators": 0}
        right += 2 * pair["same"]
        total += sum(pair["entities"])
        kappas.append(pair["kappa"]["value"])
    assert numbers["overall"]["strict"]["value"] == (
        pytest.approx(right / total) if total else None
    )
    known = [each for each in kappas if each is not None]
    mean = numbers["overall"]["kappa"]["value"]
    assert mean == (pytest.approx(np.mean(known)) if known else None)


@few_examples
@given(st.lists(st.tuples(*[overlapping_entities(N_TOKENS)] * 2), min_size=1, max_size=3))
def test_entities_that_overlap_are_counted_once_each(docs):
    one, other = zip(*docs)
    (pair,) = numbers_of({"one": one, "other": other}, spans_key="sc")["pairs"]
    same = sum(len({*ours} & {*theirs}) for ours, theirs in docs)
    total = sum(len(side) for sides in docs for side in sides)
    assert pair["same"] == same
    assert pair["strict"]["value"] == (pytest.approx(2 * same / total) if total else None)
    if total:
        assert pair["overlap"]["value"] >= pair["strict"]["value"] - 1e-9
