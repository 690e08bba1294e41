"""Spans that an earlier component found, as features."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import NumpyOps

from spacy_bilstm_crf.models.span_features import HASH_SEED, N_ROWS, rows_of_spans
from tests.helpers import char_embed_model, entities, set_windows

VOCAB = spacy.blank("en").vocab
KEYS = ["names", "places"]
LABELS = ["A", "B"]
PLACES = ["begin", "in", "last", "unit"]
# Words that training never shows are in the lists too
KNOWN, UNSEEN = ["Rask", "Velo", "Timu", "Zoge"], ["Wappi", "Qornu"]


@st.composite
def docs_with_spans(draw):
    docs = []
    for length in draw(st.lists(st.integers(0, 5), max_size=4)):
        doc = Doc(VOCAB, words=["w"] * length)
        spans = [
            (s, e, label)
            for s in range(length)
            for e in range(s + 1, length + 1)
            for label in LABELS
        ]
        for key in KEYS:
            found = draw(st.lists(st.sampled_from(spans))) if spans else []
            doc.spans[key] = [Span(doc, *span) for span in found]
        docs.append(doc)
    return docs


def features_of(doc, key, token):
    """By the definition: the places of a token in spans, with their labels."""
    found = set()
    for span in doc.spans[key]:
        if span.start <= token < span.end:
            place = "begin" if token == span.start else "last" if token == span.end - 1 else "in"
            found.add((span.label, "unit" if len(span) == 1 else place))
    return found


@given(docs_with_spans())
def test_rows_are_those_of_the_features(docs):
    found = rows_of_spans(KEYS, docs, dropout=0.0)
    expected = [
        features_of(doc, key, token) for doc in docs for token in range(len(doc)) for key in KEYS
    ]
    assert found.n_features.tolist() == [len(features) for features in expected]
    rows = iter(found.rows.tolist())
    for features in expected:
        ids = [(4 * label + PLACES.index(place)) % 2**64 for label, place in features]
        hashes = NumpyOps().hash(np.array(ids, dtype=np.uint64), HASH_SEED) % N_ROWS
        assert sorted(next(rows) for _ in features) == sorted(hashes.tolist())
    assert next(rows, None) is None


def test_labels_whose_ids_follow_one_another_are_not_mixed_up():
    doc = Doc(VOCAB, words=["w"])
    rows = set()
    for label in ("PERSON", "NORP", "FACILITY", "ORG", "GPE", "LOC"):  # spaCy's symbols 380 to 385
        doc.spans["names"] = [Span(doc, 0, 1, label)]
        rows.add(tuple(rows_of_spans(["names"], [doc], 0.0).rows[0].tolist()))
        doc2 = Doc(VOCAB, words=["w", "w", "w"])
        doc2.spans["names"] = [Span(doc2, 0, 3, label)]
        rows.update(map(tuple, rows_of_spans(["names"], [doc2], 0.0).rows.tolist()))
    assert len(rows) == 6 * 4


def test_spans_without_tokens_say_nothing():
    doc = Doc(VOCAB, words=["w", "w"])
    doc.spans["names"] = [Span(doc, 1, 1, "A")]
    assert rows_of_spans(["names"], [doc], 0.0).n_features.tolist() == [0, 0]


def nlp_with_list(**config):
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", name="names", config={"spans_key": "names"})
    # By the config, since initializing a ruler takes its patterns away
    patterns = [{"label": "NAME", "pattern": word} for word in [*KNOWN, *UNSEEN]]
    nlp.config["initialize"]["components"]["names"] = {"patterns": patterns}
    model = char_embed_model(span_features=["names"], filters=4, **config)
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    return nlp


def examples_for(nlp):
    """Names where they are in the list, the same words as no names where they are lower-case."""
    examples = []
    for place, word in enumerate(KNOWN):
        other = KNOWN[place - 1]
        words = ["We", "saw", word, "and", other.lower(), "in", "Mogol", "."]
        reference = Doc(nlp.vocab, words=words, ents=["O", "O", "B-PER", *["O"] * 5])
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def trained(**config):
    nlp = nlp_with_list(**config)
    examples = examples_for(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(60):
        # By examples anew, as `spacy train` does: the ruler has to annotate them
        nlp.update(examples_for(nlp), sgd=optimizer, annotates=["names"])
    return nlp


@pytest.fixture(scope="module")
def nlp():
    return trained()


TEXTS = [f"We saw {word} in {other}." for word, other in (UNSEEN, ["Mogol", "Plidd"])]


def test_names_of_the_list_are_found_though_training_had_none_of_them(nlp):
    assert [entities(doc) for doc in nlp.pipe(TEXTS)] == [
        [("Wappi", "PER"), ("Qornu", "PER")],
        [],
    ]


def test_from_disk_in_processes_and_sourced(nlp, tmp_path):
    expected = [entities(doc) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [entities(doc) for doc in loaded.pipe(TEXTS, n_process=2)] == expected
    other = spacy.blank("en", vocab=nlp.vocab)
    for name in ("names", "ner"):
        other.add_pipe(name, source=nlp)
    assert [entities(doc) for doc in other.pipe(TEXTS)] == expected


def test_a_long_doc_reads_its_spans_in_windows_too(nlp):
    doc = nlp.make_doc(" ".join(TEXTS * 30))
    nlp.get_pipe("names")(doc)
    model = nlp.get_pipe("ner").model
    set_windows(model, None)
    try:
        (whole,) = model.predict([doc]).emissions
        set_windows(model, 120, 50)
        (cut,) = model.predict([doc]).emissions
    finally:
        set_windows(model, 1000, 100)
    np.testing.assert_allclose(cut, whole, atol=2e-3)


def test_without_its_spans_a_doc_is_refused(nlp):
    with pytest.raises(ValueError, match=r"nothing under 'names'.*before this one"):
        nlp.get_pipe("ner")(nlp.make_doc(TEXTS[0]))
    untrained = nlp_with_list()
    optimizer = untrained.initialize(lambda: examples_for(untrained))
    with pytest.raises(ValueError, match="annotating_components"):
        untrained.update(examples_for(untrained), sgd=optimizer)


def test_overlooked_spans_are_overlooked_in_training_alone():
    docs = [Doc(VOCAB, words=["a", "b"]) for _ in range(1000)]
    for doc in docs:
        doc.spans["names"] = [Span(doc, 0, 1, "A")]
    assert not rows_of_spans(["names"], docs, dropout=1.0).n_features.any()
    share = rows_of_spans(["names"], docs, dropout=0.3).n_features.sum() / len(docs)
    assert 0.6 < share < 0.8  # seven standard deviations
    never = trained(span_dropout=1.0)
    layer = never.get_pipe("ner").model.get_ref("tok2vec")
    (doc,) = [never.get_pipe("names")(never.make_doc(TEXTS[0]))]
    (with_spans,) = layer.predict([doc])
    doc.spans["names"] = []
    (without,) = layer.predict([doc])
    assert (with_spans != without).any()


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"span_features": "names"}, "list of distinct keys"),
        ({"span_features": ["names", "names"]}, "distinct keys"),
        ({"span_dropout": 1.5}, "span_dropout must be from 0 to 1.*1.5"),
        ({"span_dropout": "nan"}, "span_dropout must be from 0 to 1.*'nan'"),
        ({"span_width": 0}, "span_width"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        nlp = spacy.blank("en")
        model = char_embed_model(**{"span_features": ["names"], **setting})
        nlp.add_pipe("bilstm_crf_ner", config={"model": model})
