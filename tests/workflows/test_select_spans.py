"""Questions about single entities: what an answer tells, by enumeration; what is known."""

import math
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats.docs import META, PREDICTIONS
from spacy_bilstm_crf.workflows import select
from spacy_bilstm_crf.workflows.select.doubt import AGAIN, DoubtfulEntity, bernoulli_entropy
from spacy_bilstm_crf.workflows.select.questions import best_questions
from tests.helpers import trained_nlp, unsure_nlp

TEXT = "Ada saw Rome"


@pytest.fixture(scope="module")
def nlp():
    return unsure_nlp()


def entropy(probabilities):
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def told(worlds, asked):
    """What the answers to questions tell of the tag sequence: the entropy of the answers."""
    of_answers = {}
    for spans, p in worlds.items():
        answers = tuple(span in spans for span in asked)
        of_answers.setdefault(answers, {})[spans] = p
    before = entropy(worlds.values())
    after = 0.0
    for group in of_answers.values():
        total = sum(group.values())
        after += total * entropy(p / total for p in group.values())
    return before - after


def entity(start, end, p, label="A", words=None):
    return DoubtfulEntity(start, end, label, words or f"{start}-{end}", p)


def test_an_answer_tells_its_entropy(nlp):
    ner = nlp.get_pipe("ner")
    worlds = {
        frozenset((e.start_char, e.end_char, e.label_) for e in ents): p
        for ents, p in ner.k_best(nlp.make_doc(TEXT), 10_000)
    }
    assert sum(worlds.values()) == pytest.approx(1, rel=1e-5)
    found = select(nlp, [TEXT], 5, spans=True, strategy="entropy").suggestions
    best = max(found, key=lambda one: one.score)  # before which nothing was asked
    (span,) = best.doc.spans[PREDICTIONS]
    asked = (span.start_char, span.end_char, span.label_)
    assert best.score == pytest.approx(told(worlds, [asked]), rel=1e-4)
    assert best.doc.user_data[META] == {"score": round(best.score, 4)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.02, 0.24), min_size=1, max_size=4))
def test_an_answer_about_one_that_overlaps_tells_less(ps):
    spans = [entity(0, 3 + i, p) for i, p in enumerate(ps)]
    worlds = {frozenset([span]): span.probability for span in spans}  # one at most is an entity
    worlds[frozenset()] = 1 - sum(ps)
    found = {one.entity: one.value for one in best_questions({0: spans}, 9, again=1.0)}
    assert found.keys() == set(spans)
    asked = sorted(found, key=lambda span: -found[span])
    for n, span in enumerate(asked):
        told_before = told(worlds, asked[:n])
        assert found[span] == pytest.approx(told(worlds, asked[: n + 1]) - told_before, abs=1e-9)


def test_the_same_words_do_not_fill_the_list():
    texts = {
        0: [entity(0, 4, 0.5, words="rome")],
        1: [entity(2, 6, 0.5, words="rome"), entity(9, 12, 0.8)],
        2: [entity(0, 4, 0.45, words="rome")],
    }
    found = best_questions(texts, 3)
    assert [(one.place, one.entity.start) for one in found] == [(0, 0), (1, 2), (1, 9)]
    expected = [bernoulli_entropy(0.5), AGAIN * bernoulli_entropy(0.5), bernoulli_entropy(0.8)]
    assert [one.value for one in found] == pytest.approx(expected)
    assert {one.place for one in best_questions(texts, 3, again=1.0)} == {0, 1, 2}


def test_nothing_is_asked_that_is_known_by_then():
    texts = {0: [entity(0, 4, 0.5), entity(0, 6, 0.5), entity(7, 9, 1.0)]}
    # What is no entity of the first kind is one of the second
    assert [one.entity.end for one in best_questions(texts, 3)] == [4]


probabilities = st.lists(st.floats(0.02, 0.3), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(probabilities, max_size=4), st.integers(1, 9))
def test_the_greedy_choice_is_that_of_looking_at_all(of_texts, n):
    """All entities of a text overlap here."""
    texts = {
        place: [entity(0, 3 + i, p, words=f"{place % 2}{i}") for i, p in enumerate(ps)]
        for place, ps in enumerate(of_texts)
    }
    left = [(place, one) for place, of_text in texts.items() for one in of_text]
    asked, values, times = {}, [], {}
    while left and len(values) < n:
        worth = {}
        for place, one in left:
            room = 1 - sum(asked.get(place, []))
            value = room * bernoulli_entropy(one.probability / room)
            worth[place, one] = value * AGAIN ** times.get(one.words, 0)
        place, one = best = max(worth, key=worth.get)
        values.append(worth[best])
        asked.setdefault(place, []).append(one.probability)
        times[one.words] = times.get(one.words, 0) + 1
        left.remove(best)
    found = best_questions(texts, n)
    assert sorted((one.value for one in found), reverse=True) == pytest.approx(values)
    places = [place for place, _ in groupby(one.place for one in found)]
    assert len(places) == len(set(places))


def test_what_is_known_is_not_asked(nlp):
    def asked(exclude=()):
        found = select(nlp, texts, 99, spans=True, exclude=exclude).suggestions
        return {
            (one.place, s.start, s.end, s.label_)
            for one in found
            for s in one.doc.spans[PREDICTIONS]
        }

    texts = [TEXT, "Who is Shaka Khan?", "I like Rome and Berlin"]
    every = asked()
    place, start, end, label = min(every, key=lambda one: one[2] - one[1])
    known = nlp.make_doc(texts[place].replace(" ", "  "))  # with blanks for tokens
    words = [token.i for token in known if not token.is_space]
    token = known[words[start] : words[start] + 1]
    known.set_ents([Span(known, token.start, token.end, label="PERSON")], default="missing")
    touched = {one for one in every if one[0] == place and one[1] <= start < one[2]}
    # Others may be worth a question now
    assert every - touched <= (now := asked([known])) and touched
    assert not any(one[0] == place and one[1] <= start < one[2] for one in now)

    known = nlp.make_doc(texts[place])
    known.spans["incorrect_spans"] = [Span(known, start, end, label=label)]
    now = asked([known])
    assert every - now == {(place, start, end, label)}
    complete = nlp.make_doc(TEXT)
    complete.set_ents([])
    with pytest.raises(UserError, match="contains only texts that are excluded"):
        select(nlp, [TEXT], spans=True, exclude=[complete])


def test_arguments_that_can_not_be(nlp):
    with pytest.raises(UserError, match="strategy margin: single entities have none"):
        select(nlp, [TEXT], spans=True, strategy="margin")


def test_tokens_that_other_components_merge():
    nlp = trained_nlp()
    nlp.add_pipe("merge_entities")
    found = select(nlp, ["Who is Shaka Khan?"], 1, spans=True).suggestions
    assert all(len(one.doc) == 5 for one in found)
