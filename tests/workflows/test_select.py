"""What to annotate next: each strategy by hand, and by what the component says of docs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats.docs import PREDICTIONS
from spacy_bilstm_crf.data.texts import Text
from spacy_bilstm_crf.workflows import select
from spacy_bilstm_crf.workflows.select.documents import STRATEGIES, diverse, doubtful_words
from spacy_bilstm_crf.workflows.select.doubt import AGAIN
from tests.helpers import make_nlp, trained_nlp, unsure_nlp
from tests.nested import NESTED, trained_on_spans

TEXTS = ["I like London.", "Who is Shaka Khan?", "", "Ada saw Rome and Berlin", "I like  London."]
TEXTS += ["stones", "I like London.", "Khan likes Khan", " "]
GIVEN = [Text(text) for text in TEXTS]
DIFFERENT = [0, 1, 3, 5, 7]  # the others have no words, or those of an earlier one


@pytest.fixture(scope="module")
def nlp():
    return unsure_nlp()


def test_entropy_and_margin_are_those_of_the_component(nlp):
    ner = nlp.get_pipe("ner")
    docs = [nlp.make_doc(TEXTS[i]) for i in DIFFERENT]
    entropy = dict(zip(DIFFERENT, ner.entropy(docs)))
    margin = {}
    for i, doc in zip(DIFFERENT, docs):
        (_, best), (_, second) = ner.k_best(doc, 2)
        margin[i] = 1 - best + second
    for strategy, scores in (("entropy", entropy), ("margin", margin)):
        found = select(nlp, GIVEN, 99, strategy=strategy).suggestions
        order = sorted(scores, key=lambda i: -scores[i])
        assert [one.place for one in found] == order
        assert [one.score for one in found] == pytest.approx([scores[i] for i in order], rel=1e-4)
        best = select(nlp, GIVEN, 2, strategy=strategy).suggestions
        assert [one[:2] for one in best] == [one[:2] for one in found[:2]]


def test_doubtful_words_are_those_of_the_candidates(nlp):
    ner = nlp.get_pipe("ner")
    doc = nlp.make_doc("Khan likes Khan")
    (doubts,) = doubtful_words([doc], [(ner.labels, ner.distribution([doc]))])
    ner.candidates_threshold, ner.candidates_key = 0.01, "candidates"
    try:
        (found,) = ner.predict([nlp.make_doc(doc.text)])
    finally:
        ner.candidates_threshold = None
    assert set(doubts) == {doc[e.start : e.end].text.lower() for e in found.candidates}
    assert all(value > 0 for value in doubts.values())


def test_the_same_doubt_does_not_fill_the_list():
    doubts = {
        0: {"khan": 0.6},
        1: {"khan": 0.6, "rome": 0.1},
        2: {"khan": 0.5},
        3: {"rome": 0.4},
        4: {},
    }
    found = diverse(doubts, 4)
    assert [place for place, _ in found] == [1, 0, 3, 2]
    # 0.6 and 0.4, halved once; 0.5, halved twice
    assert [score for _, score in found] == pytest.approx([0.7, 0.3, 0.2, 0.125])


words = st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 0.69), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, max_size=8), st.integers(1, 8))
def test_the_greedy_choice_is_that_of_looking_at_all(of_docs, n):
    left, times, expected = dict(enumerate(of_docs)), {}, []
    while left and len(expected) < n:
        worth = {
            i: sum(p * AGAIN ** times.get(word, 0) for word, p in doc.items())
            for i, doc in left.items()
        }
        best = max(worth.values())
        expected.append(best)
        place = min(i for i in left if worth[i] == best)
        for word in left.pop(place):
            times[word] = times.get(word, 0) + 1
    found = diverse(dict(enumerate(of_docs)), n)
    assert [score for _, score in found] == pytest.approx(expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_known_is_not_chosen_again(strategy, nlp):
    known = [nlp.make_doc("I like  London.")]
    found = select(nlp, GIVEN, 99, strategy=strategy, exclude=known)
    assert sorted(one.place for one in found.suggestions) == DIFFERENT[1:]
    with pytest.raises(UserError, match="The data contains only texts that are excluded"):
        select(make_nlp(), [Text(""), Text(" ")], 3, strategy=strategy)


def test_texts_may_be_strings_docs_or_a_file(nlp, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS))
    docs = [nlp.make_doc(text) for text in TEXTS]
    expected = select(nlp, path, lines=True).suggestions
    for texts in (TEXTS, docs, GIVEN):
        found = select(nlp, texts)
        assert found.n_texts == len(TEXTS)
        assert [one.score for one in found.suggestions] == [one.score for one in expected]
        assert [one.doc.text for one in found.suggestions] == [one.doc.text for one in expected]


@pytest.mark.parametrize(
    "texts, arguments, message",
    [
        (TEXTS, {"n": 0}, "n must be at least 1, but is 0"),
        (TEXTS, {"strategy": "x"}, "strategy x: it must be one of entropy, margin, diverse"),
        (
            TEXTS,
            {"component": "x"},
            "The pipeline has no bilstm_crf_ner or bilstm_crf_spans component 'x'",
        ),
        ([], {}, "The data contains no text"),
    ],
)
def test_arguments_that_can_not_be(texts, arguments, message, nlp):
    with pytest.raises(UserError, match=message):
        select(nlp, texts, **arguments)


def test_suggestions_after_a_component_that_merges_tokens():
    nlp = trained_nlp()
    nlp.add_pipe("merge_entities")
    text = "Who is Shaka Khan? Who is Shaka Khan?"
    (suggestion,) = select(nlp, [text], 1).suggestions
    found = suggestion.doc.spans[PREDICTIONS]
    expected = [(ent.text, ent.label_, ent.start_char) for ent in nlp(text).ents]
    assert [(span.text, span.label_, span.start_char) for span in found] == expected
    assert ("Shaka Khan", "PERSON", 26) in expected
    assert found.attrs["scores"].tolist() == pytest.approx([e._.confidence for e in nlp(text).ents])


@pytest.mark.parametrize("levels", [1, 2])
def test_documents_for_entities_that_overlap(levels):
    nlp = trained_on_spans(levels=levels, steps=20)
    recognizer = nlp.get_pipe("spancat")
    known = [text for text, _ in NESTED]
    texts = [*known, known[0]]
    docs = [nlp.make_doc(text) for text in known]
    expected = sorted(recognizer.entropy(docs), reverse=True)
    found = select(nlp, texts, 99, strategy="entropy", component="spancat").suggestions
    assert [one.score for one in found] == pytest.approx(expected, rel=1e-4)
    found = select(nlp, texts, 99, component="spancat").suggestions
    assert len(found) == len(known)
    n_entities = 0
    for one in found:
        doc = nlp(texts[one.place])
        suggested = one.doc.spans.get(PREDICTIONS, ())
        assert [str(s) + s.label_ for s in suggested] == [
            str(s) + s.label_
            for s in sorted(doc.spans["sc"], key=lambda s: (s.start, s.end, s.label_))
        ]
        n_entities += len(suggested)
    assert n_entities
    for arguments in ({"strategy": "margin"}, {"spans": True}):
        with pytest.raises(UserError, match="has no bilstm_crf_ner component"):
            select(nlp, texts, component="spancat", **arguments)
