"""Whatever is in a doc and fits into a format comes back out of its file."""

from itertools import pairwise

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup

from spacy_bilstm_crf.data.formats import Findings, FormatSettings, read, write
from spacy_bilstm_crf.data.formats.columns import ColumnSettings
from spacy_bilstm_crf.pipeline.confidence import confidence, keep_confidence

NLP = spacy.blank("xx")
# Astral, combining and joined characters, separators that Python splits at, all kinds of line ends
PARTS = ["Ada", "e\u0301", "\U0001f600", "\U0001f469\u200d\U0001f467", "don't", ".", "#", "T1\tX"]
PARTS += [" ", " ", "  ", "\n", "\r\n", "\r", "\t", "\x85", "\u2028", "\u00a0", "\x00", "日本"]
LABELS = ["PER", "LOC"]
JSON_LINES = ["prodigy", "doccano", "doccano-relations", "label-studio"]


@st.composite
def docs(draw, parts=PARTS):
    """A doc of the tokeniser, annotated or not, with predictions if not."""
    text = "".join(draw(st.lists(st.sampled_from(parts), max_size=12)))
    doc = NLP.make_doc(text)
    cuts = sorted(draw(st.sets(st.integers(0, len(doc)), max_size=6)))
    spans = [
        Span(doc, start, end, label=draw(st.sampled_from(LABELS)))
        for start, end in pairwise(cuts)
        if draw(st.booleans()) and not (doc[start].is_space or doc[end - 1].is_space)
    ]
    scores = [draw(st.floats(2.0**-40, 1.0, width=32)) for _ in spans]
    if draw(st.booleans()):
        doc.set_ents(spans, default="outside")
        if draw(st.booleans()):
            keep_confidence(doc, list(zip(spans, scores)), "annotation")
    elif spans:
        attrs = {"scores": np.array(scores, dtype=np.float32)}
        doc.spans["predictions"] = SpanGroup(doc, name="predictions", attrs=attrs, spans=spans)
    return doc


def content(doc, scores=True):
    """All that a format that keeps all of a doc has to keep."""
    predictions = doc.spans.get("predictions", ())
    kept = predictions.attrs["scores"].tolist() if len(predictions) else []
    return {
        "text": doc.text,
        "ents": [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents],
        "confidence": [confidence(ent) for ent in doc.ents] if scores else None,
        "iob": [token.ent_iob_ for token in doc],
        "predictions": [(s.start_char, s.end_char, s.label_) for s in predictions],
        "scores": kept,
        "data": {key: doc.user_data.get(key) for key in ("id", "meta")},
    }


def back(folder, name, given_docs, given_settings=None):
    of_files = given_settings or FormatSettings()
    findings = Findings()
    path = folder / "file"
    write(given_docs, path, name, of_files, findings)
    found = list(read(path, name, of_files, findings))
    assert not findings.problems
    return found


@pytest.mark.parametrize("name", ["spacy", "prodigy", "label-studio"])
@settings(max_examples=60, deadline=None)
@given(st.lists(docs(), max_size=3))
def test_formats_that_keep_all(name, tmp_path_factory, given_docs):
    for number, doc in enumerate(given_docs):
        doc.user_data.update({"id": str(number), "meta": {"source": "x"}})
    found = back(tmp_path_factory.mktemp("files"), name, given_docs)
    assert [content(doc) for doc in found] == [content(doc) for doc in given_docs]


@pytest.mark.parametrize("name", ["doccano", "doccano-relations", "brat"])
@settings(max_examples=60, deadline=None)
@given(docs())
def test_formats_of_entities(name, tmp_path_factory, doc):
    doc.set_ents(list(doc.ents), default="outside")
    doc.spans.clear()
    doc.user_data["id"] = "0"
    (found,) = back(tmp_path_factory.mktemp("files"), name, [doc])
    assert content(found, scores=False) == content(doc, scores=False)


@pytest.mark.parametrize("scheme", ["auto", "iob1", "iob2", "biluo", "bioes"])
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["Ada", "\U0001f600", "e\u0301", "a\x85b", "#", "O", "日本"]),
                st.sampled_from(["PER", "LOC", "O", "?"]),
                st.booleans(),
                st.booleans(),
            ),
            min_size=1,
            max_size=8,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_columns(scheme, tmp_path_factory, rows):
    given_docs = []
    for of_doc in rows:
        words, labels, starts, sent_starts = zip(*of_doc)
        doc = Doc(NLP.vocab, words=words, sent_starts=[True, *sent_starts[1:]])
        ents, first = [], 0
        for i in range(1, len(words) + 1):
            if i == len(words) or starts[i] or sent_starts[i] or labels[i] != labels[first]:
                if labels[first] in LABELS:
                    ents.append(Span(doc, first, i, label=labels[first]))
                first = i
        missing = [doc[i : i + 1] for i, label in enumerate(labels) if label == "?"]
        # Of IOB nobody can say whether they go on in a token that is not known
        if scheme in ("iob1", "iob2"):
            missing = []
        doc.set_ents(ents, missing=missing, default="outside")
        given_docs.append(doc)
    columns = FormatSettings(columns=ColumnSettings(scheme, separator="\t"))
    found = back(tmp_path_factory.mktemp("files"), "conll", given_docs, columns)
    assert [[token.text for token in doc] for doc in found] == [
        [token.text for token in doc] for doc in given_docs
    ]
    assert [[(token.ent_iob_, token.ent_type_) for token in doc] for doc in found] == [
        [(token.ent_iob_, token.ent_type_) for token in doc] for doc in given_docs
    ]
