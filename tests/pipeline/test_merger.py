"""One set of entities out of what several recognizers found."""

import warnings
from itertools import combinations

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup
from thinc.api import Config

from spacy_bilstm_crf.pipeline.confidence import set_scored_spans
from spacy_bilstm_crf.pipeline.merger import Source
from tests.helpers import SMALL_MODEL, TRAIN_DATA, entities, examples_for

WORDS = ["We", "saw", "Ada", "Lovelace", "in", "New", "York", "."]
NLP = spacy.blank("en")
TEXT = "Who is Shaka Khan of London?"


def merger(sources, **config):
    return NLP.create_pipe("entity_merger", config={"sources": sources, **config})


def doc_with(**groups):
    """A doc with spans of (start, end, label) and a score, or none."""
    doc = Doc(NLP.vocab, words=WORDS)
    for key, found in groups.items():
        spans = [Span(doc, *one[:3]) for one in found]
        scores = {"scores": np.array([one[3] for one in found])} if found and found[0][3:] else {}
        doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=scores)
    return doc


def found_by(pipe, doc):
    return [(ent.start, ent.end, ent.label_) for ent in pipe(doc).ents]


places = st.tuples(st.integers(0, 4), st.integers(1, 3), st.sampled_from("AB"))
# A power of two each, so that sums are exact
scored = st.dictionaries(places, st.sampled_from([0.125, 0.25, 0.5, 0.75, 1.0]), max_size=4)


@given(scored, scored, st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.25, 0.5]))
def test_no_other_set_without_overlap_is_worth_more(one, other, weight, threshold):
    groups = [[(s, s + n, label, p) for (s, n, label), p in part.items()] for part in (one, other)]
    pipe = merger(
        {"one": {}, "other": {"weight": weight, "labels": {"B": 0.5}}}, threshold=threshold
    )
    chosen = found_by(pipe, doc_with(one=groups[0], other=groups[1]))
    values = {}
    for group, of_source in zip(groups, (1.0, weight)):
        for start, end, label, p in group:
            of_label = 0.5 if label == "B" and group is groups[1] else 1.0
            key = (start, end, label)
            values[key] = values.get(key, 0.0) + p * of_source * of_label

    def is_possible(spans):
        tokens = [token for start, end, _ in spans for token in range(start, end)]
        return len(tokens) == len(set(tokens))

    def worth(spans):
        return sum(values[span] - threshold for span in spans)

    enough = [span for span, value in values.items() if value >= threshold]
    every = (spans for n in range(len(enough) + 1) for spans in combinations(enough, n))
    assert is_possible(chosen) and set(chosen) <= set(enough)
    assert worth(chosen) == max(worth(spans) for spans in every if is_possible(spans))


def test_candidates_whose_scores_were_dropped_are_noticed():
    """As spacy-llm's component does, or `Doc.from_docs`."""
    pipe = merger({"one": {}})
    with pytest.warns(UserWarning, match=r"doc\.spans\['one'\] overlap and have no scores"):
        pipe(doc_with(one=[(2, 4, "A"), (3, 4, "B")]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe(doc_with(one=[(2, 4, "A"), (4, 5, "B")]))
        pipe(doc_with(one=[(2, 4, "A", 0.5), (3, 4, "B", 0.5)]))


def test_a_span_without_a_probability_is_certain_and_agreement_counts():
    doc = doc_with(
        ruler=[(5, 7, "PLACE")],
        one=[(5, 6, "PERSON", 0.9), (2, 3, "PERSON", 0.7), (2, 4, "PERSON", 0.4)],
        other=[(2, 4, "PERSON", 0.45)],
    )
    pipe = merger({"ruler": {}, "one": {}, "other": {}}, spans_key="merged")
    assert found_by(pipe, doc) == [(2, 4, "PERSON"), (5, 7, "PLACE")]
    np.testing.assert_allclose(doc.spans["merged"].attrs["scores"], [0.85, 1.0])
    assert [ent._.confidence for ent in doc.ents] == pytest.approx([0.85, 1.0])
    assert [token.ent_iob_ for token in doc[:3]] == ["O", "O", "B"]


def test_entities_of_the_doc_are_a_source_or_give_way():
    doc = doc_with(one=[(2, 3, "PERSON", 0.6)])
    doc.ents = [Span(doc, 2, 4, "ORG"), Span(doc, 5, 7, "PLACE", kb_id="Q60")]
    assert found_by(merger({"one": {}}), doc.copy()) == [(2, 3, "PERSON")]
    ents = {"weight": 0.8, "labels": {"ORG": 0.5}}
    assert found_by(merger({"one": {}}, ents=ents), doc) == [(2, 3, "PERSON"), (5, 7, "PLACE")]
    assert doc.ents[1].kb_id_ == "Q60"


def test_blocked_tokens_stay_blocked():
    doc = doc_with(one=[(2, 4, "PERSON", 0.9), (5, 7, "PLACE", 0.9)])
    doc.set_ents([], blocked=[doc[3:4]], default="outside")
    assert found_by(merger({"one": {}}), doc) == [(5, 7, "PLACE")]
    assert doc.to_array(["ENT_IOB", "ENT_TYPE"])[3].tolist() == [3, 0]


def test_a_source_that_found_a_span_twice_counts_once():
    doc = doc_with(one=[(2, 4, "PERSON", 0.4), (2, 4, "PERSON", 0.3)])
    assert found_by(merger({"one": {}}), doc) == []
    assert found_by(merger({"one": {}}, threshold=0.4), doc) == [(2, 4, "PERSON")]


def test_spans_without_tokens_are_nothing_and_rounding_is_forgiven():
    doc = doc_with(one=[(2, 2, "PERSON", 0.9), (5, 7, "PLACE", 1.0 + 1e-7)])
    assert found_by(merger({"one": {}}), doc) == [(5, 7, "PLACE")]


def test_no_tokens():
    doc = Doc(NLP.vocab)
    doc.spans["one"] = []
    assert found_by(merger({"one": {}}), doc) == []


@pytest.mark.parametrize(
    "sources, config, message",
    [
        ({}, {}, "needs sources"),
        ({"one": {"factor": 2.0}}, {}, "unknown factor in the source 'one'"),
        ({"one": {"weight": -1.0}}, {}, "weight of -1.0"),
        ({"one": {"weight": "high"}}, {}, "weight of 'high' in the source 'one'"),
        ({"one": {"labels": {"A": None}}}, {}, "weight of None"),
        ({"one": {"labels": ["A"]}}, {}, "block of weights"),
        ({"one": {}}, {"spans_key": "one"}, "is also a source"),
        ({"one": {}}, {"ents": {"labels": {"A": -2.0}}}, "weight of -2.0 in the ents"),
        ({"one": {}}, {"threshold": -0.5}, "threshold .* is -0.5"),
    ],
)
def test_bad_settings(sources, config, message):
    with pytest.raises(ValueError, match=message):
        merger(sources, **config)


# What comes back from a config as another name, or not at all
NO_NAMES = ["GPE:city", "A=B", "#x", ";x", "*", " A", "A\nB"]


@pytest.mark.parametrize("label", NO_NAMES)
def test_names_that_no_config_can_hold(label, tmp_path):
    labels = {"labels": {label: 0.5}}
    for sources, ents in (({"one": labels}, None), ({"one": {}}, labels)):
        with pytest.raises(ValueError, match="no config can hold"):
            merger(sources, ents=ents)
    pairs = [[label, 0.5], ["B", 2.0]]
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_merger", config={"sources": {"one": {"labels": pairs}}})
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("entity_merger")
    assert loaded.sources == {"one": Source(1.0, {label: 0.5, "B": 2.0})}


def test_keys_that_no_config_can_hold():
    with pytest.raises(ValueError, match=r"'a\.b', which no config can hold.* another key"):
        merger({"a.b": {}})


@given(st.text(min_size=1, max_size=6))
def test_a_name_that_is_taken_is_still_there_after_saving(name):
    try:
        merger({name: {"labels": {name: 0.5}}})
    except ValueError:
        return
    saved = Config({"components": {"merger": {"sources": {name: {"labels": {name: 0.5}}}}}})
    assert Config().from_str(saved.to_str()) == saved


def test_bad_docs():
    with pytest.raises(ValueError, match=r"nothing under 'two'.*candidates_threshold.*has: one"):
        merger({"two": {}})(doc_with(one=[]))
    with pytest.raises(ValueError, match=r"'Ada' has the score 1\.5"):
        merger({"one": {}})(doc_with(one=[(2, 3, "A", 1.5)]))
    with pytest.raises(ValueError, match="'Ada' has no label"):
        merger({"one": {}})(doc_with(one=[(2, 3, "", 0.5)]))
    doc = doc_with()
    set_scored_spans(doc, "one", [(Span(doc, 5, 7, "PLACE"), 0.9)])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[2:4])
    with pytest.raises(ValueError, match="have changed since"):
        merger({"one": {}})(doc)
    doc = doc_with(one=[(2, 3, "A", 0.5)])
    doc.spans["one"].append(doc[5:7])
    with pytest.raises(ValueError, match=r"has 1 scores for 2 spans"):
        merger({"one": {}})(doc)


def recognizer(factory, label, **config):
    """A pipeline with a recognizer of one label."""
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, name=label, config=config)
    data = [
        (text, {"entities": [ent for ent in known["entities"] if ent[2] == label]})
        for text, known in TRAIN_DATA
    ]
    examples = examples_for(nlp, data)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp


def test_ours_a_stock_one_and_a_ruler_in_one_pipeline(tmp_path):
    candidates = {"candidates_threshold": 0.05, "candidates_key": "PERSON"}
    people = recognizer("bilstm_crf_ner", "PERSON", model=SMALL_MODEL, **candidates)
    places = recognizer("ner", "LOC")
    nlp = spacy.blank("en")
    nlp.add_pipe("PERSON", source=people)
    nlp.add_pipe("entities_to_spans", name="set_aside", config={"spans_key": "before"})
    nlp.add_pipe("LOC", source=places)
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": "ruler"})
    ruler.add_patterns([{"label": "QUESTION", "pattern": [{"LOWER": "who"}]}])
    sources = {"PERSON": {}, "ruler": {"weight": 0.9}}
    nlp.add_pipe("entity_merger", config={"sources": sources, "ents": {"weight": 1.0}})
    expected = [("Who", "QUESTION"), ("Shaka Khan", "PERSON"), ("London", "LOC")]
    doc = nlp(TEXT)
    assert entities(doc) == expected
    assert [span.text for span in doc.spans["before"]] == ["Shaka Khan"]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [entities(doc) for doc in loaded.pipe([TEXT] * 3, n_process=2)] == [expected] * 3
    assert loaded.evaluate(examples_for(loaded))["ents_f"] > 0.5
