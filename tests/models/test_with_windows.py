"""Prediction in windows gives what prediction at once gives."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.attrs import IDS
from spacy.tokens import Doc, Span
from thinc.api import Model, concatenate

from spacy_bilstm_crf import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed
from spacy_bilstm_crf.models import with_windows as windows
from spacy_bilstm_crf.models.with_windows import _Source, windows_of
from tests.helpers import SMALL_MODEL, TRAIN_DATA, examples_for, make_nlp, set_windows, train

WINDOW = {"window": 50, "overlap": 12}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}


def sentences(n_sentences):
    """A text of many sentences and its annotation."""
    text, entities = "", []
    for i in range(n_sentences):
        sentence, annotation = TRAIN_DATA[i % 2]
        entities += [
            (len(text) + s, len(text) + e, label) for s, e, label in annotation["entities"]
        ]
        text += sentence + " "
    return text, {"entities": entities}


def long_doc(nlp, n_sentences=60):
    """A doc of 330 tokens with 90 entities, some of them across the edge of a window."""
    return nlp.make_doc(sentences(n_sentences)[0])


def trained(nlp):
    examples = examples_for(nlp, [sentences(9)])
    train(nlp, examples, optimizer=nlp.initialize(lambda: examples), steps=40)
    return nlp


def with_model(**model):
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": {**SMALL_MODEL, **model}})
    return trained(nlp)


def never_cut(nlp):
    set_windows(nlp.get_pipe("ner").model, None)


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=3), max_size=5),
    st.one_of(st.none(), st.integers(9, 30)),
    st.integers(0, 4),
)
def test_every_token_is_kept_once_and_has_its_surroundings(docs, window, overlap):
    kept = [[0] * sum(lengths) for lengths in docs]
    # Of each token the first and the last that is read with it at most: those of its sequence
    edges = [
        [(sum(lengths[:i]), sum(lengths[: i + 1])) for i, n in enumerate(lengths) for _ in range(n)]
        for lengths in docs
    ]
    for each in windows_of(docs, window, overlap):
        if window:
            assert each.end - each.start <= window
        for token in range(each.kept_start, each.kept_end):
            kept[each.doc][token] += 1
            first, last = edges[each.doc][token]
            assert each.start in (first, each.kept_start - overlap) and each.start >= first
            assert each.end in (last, each.kept_end + overlap) and each.end <= last
    assert kept == [[1] * sum(lengths) for lengths in docs]


def test_entities_across_the_edges_of_windows_are_found():
    nlp = with_model(**WINDOW)
    ner = nlp.get_pipe("ner")
    docs = [long_doc(nlp), nlp.make_doc(""), nlp.make_doc(TRAIN_DATA[0][0]), long_doc(nlp, 9)]
    edges = {each.kept_start for each in windows_of([[len(docs[0])]], **WINDOW)}
    in_windows = ner.emissions(docs)
    found = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(docs)]
    assert any(start < edge < end for start, end, _ in found[0] for edge in edges)

    never_cut(nlp)
    docs = [doc.copy() for doc in docs]
    for doc in docs:
        doc.set_ents([], default="missing")
    whole = ner.emissions(docs)
    assert found == [
        [(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(docs)
    ]
    assert len(found[0]) == 90
    for cut, uncut in zip(in_windows, whole):
        np.testing.assert_allclose(cut, uncut, atol=1e-2)  # little is left of what is far away
    np.testing.assert_allclose(in_windows[2], whole[2], atol=1e-5)  # it fits into a window


def test_another_window_when_it_is_loaded(tmp_path):
    nlp = with_model(**WINDOW)
    nlp.to_disk(tmp_path)
    model = {"window": None, "by_sentence": False}
    other = spacy.load(tmp_path, config={"components": {"ner": {"model": model}}})
    doc = long_doc(nlp)
    in_windows, whole = (each.get_pipe("ner").model.predict([doc]) for each in (nlp, other))
    assert np.abs(in_windows.emissions[0] - whole.emissions[0]).max() > 1e-6
    never_cut(nlp)
    np.testing.assert_array_equal(
        nlp.get_pipe("ner").model.predict([doc]).emissions[0], whole.emissions[0]
    )


def test_a_large_batch_is_run_in_batches(monkeypatch):
    nlp = with_model()
    ner = nlp.get_pipe("ner")
    docs = [long_doc(nlp, n) for n in (3, 0, 1, 7, 2, 2, 5)]
    at_once = ner.emissions(docs)
    monkeypatch.setattr(windows, "BATCH_TOKENS", 20)
    calls = []
    predict = windows.Model.predict
    monkeypatch.setattr(
        windows.Model, "predict", lambda self, X: (calls.append(self.name), predict(self, X))[1]
    )
    for group, all_docs in zip(ner.emissions(docs), at_once):
        np.testing.assert_allclose(group, all_docs, atol=1e-5)
    assert calls.count(ner.model.layers[0].name) > 2


def test_a_listener_s_docs_are_cut_behind_it():
    model = {"@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1", "tok2vec": LISTENER, **WINDOW}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    trained(nlp)
    text = long_doc(nlp).text
    cut = nlp(text)
    never_cut(nlp)
    assert len(cut.ents) == 90
    assert [ent.start for ent in cut.ents] == [ent.start for ent in nlp(text).ents]


@pytest.mark.parametrize(
    "name, settings",
    [
        ("spacy.MultiHashEmbed.v2", {"attrs": ["NORM", "SHAPE"], "rows": [50, 50]}),
        ("spacy.CharacterEmbed.v2", {"rows": 50, "nM": 4, "nC": 4}),
    ],
)
def test_docs_are_cut_for_spacys_embeddings(name, settings):
    spacy.blank("en")  # fills the registry
    make = spacy.registry.architectures.get(name)
    assert windows._reads_single_tokens(make(width=8, include_static_vectors=True, **settings))


def test_docs_are_cut_for_our_embeddings():
    assert windows._reads_single_tokens(CharCNNEmbed())
    assert windows._reads_single_tokens(concatenate(CharCNNEmbed(), CharBiLSTMEmbed()))


def test_docs_stay_whole_for_a_layer_that_is_not_known(monkeypatch):
    """Such as the listener of spacy-curated-transformers, which reads `doc._`."""
    Doc.set_extension("numbers", default=None, force=True)
    lengths = []

    def forward(model, docs, is_train):
        lengths.extend(len(doc) for doc in docs)
        return [np.repeat(doc._.numbers, 2, axis=1) for doc in docs], lambda d_vectors: []

    layer = Model("curated_listener", forward, dims={"nO": 2}, attrs={"_upstream_name": "*"})
    model = BiLSTMCRF(layer, hidden_width=4, window=40, overlap=10)
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=["word"] * n) for n in (300, 7)]
    for doc in docs:
        doc._.numbers = np.random.default_rng(0).normal(size=(len(doc), 1)).astype("float32")
    model.attrs["resize_output"](model, 5)
    model.initialize(X=docs)
    lengths.clear()
    (long, short) = model.predict(docs).emissions
    assert lengths == [300, 7]
    assert long.shape == (300, 5) and short.shape == (7, 5)


def test_tokens_cut_from_a_doc_look_to_a_layer_as_before():
    nlp = spacy.blank("en")
    doc = nlp("I don't like Mr. Smith's U.K. house.\n\n He's gone to New York on 5 May.")
    for i, token in enumerate(doc):
        token.is_sent_start = i % 7 == 0
    for token in doc:
        token.tag_, token.pos_, token.dep_ = "NN", "NOUN", "nsubj"
        token.lemma_, token.norm_ = f"lemma{token.i}", f"norm{token.i}"
        token.set_morph("Number=Sing")
    doc.set_ents([Span(doc, 3, 7, "PER", kb_id="Q1", span_id="7"), Span(doc, 10, 12, "LOC")])
    doc.tensor = np.arange(len(doc) * 2, dtype="float32").reshape(-1, 2)
    cut = _Source(doc).cut(5, 20)
    assert [token.text_with_ws for token in cut] == [t.text_with_ws for t in doc[5:20]]
    np.testing.assert_array_equal(cut.tensor, doc.tensor[5:20])
    for name, attribute in IDS.items():
        if name in ("", "IDX", "ENT_IOB"):  # from the start of the text; see below
            continue
        try:
            expected = doc.to_array(attribute)
        except ValueError:  # not an attribute of tokens
            continue
        np.testing.assert_array_equal(cut.to_array(attribute), expected[5:20], name)
    # An entity that is cut begins where the cut does: entities have to be well-formed
    assert [(ent.start, ent.end, ent.label_) for ent in cut.ents] == [
        (0, 2, "PER"),
        (5, 7, "LOC"),
    ]
    whole = _Source(doc).cut(0, len(doc))
    assert whole is doc


def test_pretrained_vectors_and_character_embeddings_work_in_windows():
    embed = {"@architectures": "spacy-bilstm-crf.CharCNNEmbed.v1", "width": 24, "attrs": ["NORM"]}
    nlp = with_model(tok2vec=embed, **WINDOW)
    cut = nlp(long_doc(nlp))
    never_cut(nlp)
    whole = nlp(long_doc(nlp))
    assert len(cut.ents) == 90
    assert [str(ent) for ent in cut.ents] == [str(ent) for ent in whole.ents]


@pytest.mark.parametrize("window, overlap", [(20, 10), (5, -1), (0, 0)])
def test_windows_that_would_keep_no_token_are_refused(window, overlap):
    with pytest.raises(ValueError, match=f"window = {window} and overlap = {overlap}"):
        make_nlp(model={**SMALL_MODEL, "window": window, "overlap": overlap})


def test_predictions_in_windows_can_not_be_learned_from():
    nlp = with_model(**WINDOW)
    potentials, backprop = nlp.get_pipe("ner").model([long_doc(nlp)], is_train=False)
    with pytest.raises(ValueError, match="is_train=True"):
        backprop(potentials)


def test_an_empty_batch_and_empty_docs():
    nlp = with_model(**WINDOW)
    assert list(nlp.pipe([])) == []
    docs = [Doc(nlp.vocab), long_doc(nlp)]
    assert len(list(nlp.pipe(docs))[1].ents) == 90
