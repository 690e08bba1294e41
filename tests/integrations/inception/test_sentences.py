"""Which sentences are learned from, and what is known of them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.data.formats.uima_cas import types_of_xml
from spacy_bilstm_crf.integrations.inception.cas import annotated_document
from spacy_bilstm_crf.integrations.inception.messages import LayerRequest, SentDocument
from spacy_bilstm_crf.integrations.inception.sentences import (
    annotated_sentences,
    as_json,
    record_of,
)
from tests.integrations.inception.payloads import METADATA, OF_TRAINING, words_of, xmi

pytest.importorskip("cassis")
WANTED = LayerRequest(METADATA["projectId"], METADATA["layer"], METADATA["feature"])
TEXT = "Ada met Bob .\n\U0001f600 Nobody was there .\nShe likes Rome .\n"


def document(entities, text=TEXT, id_=42, **given):
    sent = SentDocument(xmi(text, entities, **given), id_, "ann")
    return annotated_document(sent, types_of_xml(OF_TRAINING), WANTED)


def marked(text, *spans):
    return [(text.index(word), text.index(word) + len(word), label) for word, label in spans]


def said(records):
    return [
        (
            record.id,
            record.text,
            [(record.text[a:b], m.label) for m in record.entities for a, b in m.fragments],
            [(record.text[a:b], m.dispute) for m in record.disputed for a, b in m.fragments],
        )
        for record in records
    ]


def test_a_sentence_with_an_annotation_is_annotated_and_no_other():
    given_document = document(marked(TEXT, ("Rome", "LOC"), ("Bob", "PERSON")))
    first = ("a.txt:1", "Ada met Bob .\n", [("Bob", "PERSON")], [])
    second = ("a.txt:2", "\U0001f600 Nobody was there .\n", [], [])
    third = ("a.txt:3", "She likes Rome .\n", [("Rome", "LOC")], [])
    assert said(annotated_sentences([given_document], False)) == [first, third]
    assert said(annotated_sentences([given_document], True)) == [first, second, third]
    assert annotated_sentences([document([])], False) == []


def test_what_several_users_agree_on():
    ann = document(marked(TEXT, ("Ada", "PERSON"), ("Bob", "PERSON")))
    bea = document(marked(TEXT, ("Ada", "PERSON"), ("Rome", "LOC")))
    other = document(marked(TEXT, ("Ada", "X")), id_=43, title=None)
    records = annotated_sentences([ann, bea, other], False)
    assert said(records) == [
        ("a.txt:1", "Ada met Bob .\n", [("Ada", "PERSON")], [("Bob", "1 of 2 annotations have")]),
        ("a.txt:3", "She likes Rome .\n", [("Rome", "LOC")], []),
        ("43:1", "Ada met Bob .\n", [("Ada", "X")], []),
    ]
    finished = said(annotated_sentences([ann, bea], True))
    assert finished[2][2:] == ([], [("Rome", "1 of 2 annotations have")])
    assert [record_of(as_json(record)) for record in records] == records


def test_an_annotation_in_several_sentences_and_a_document_without_any():
    start = TEXT.index("Bob")
    across = document([(start, TEXT.index("Nobody") + 6, "LONG")])
    assert said(annotated_sentences([across], False)) == [
        ("a.txt:1", TEXT[: TEXT.index("She")], [("Bob .\n\U0001f600 Nobody", "LONG")], [])
    ]
    bare = document(marked(TEXT, ("Bob", "PERSON")), tokens=[], sentences=[])
    (record,) = annotated_sentences([bare], False)
    assert (record.text, record.words) == (TEXT, None)


def test_offsets_that_are_no_part_of_the_text_are_left_out():
    broken = xmi("Ada met Bob.", [(0, 3, "PERSON"), (4, 4, "X")]).replace(
        'begin="0" end="3" value', 'begin="0" end="99" value'
    )
    sent = SentDocument(broken, 1, "ann")
    assert annotated_document(sent, types_of_xml(OF_TRAINING), WANTED)["entities"] == []


@given(st.data())
def test_sentences_make_up_the_text(data):
    """Of finished documents; and each annotation is in one of them, with its words."""
    words = data.draw(st.lists(st.sampled_from(["Ada", "\U0001f600", "b", ".", "\n", " "])))
    text = " ".join(words)
    tokens = words_of(text)
    firsts = data.draw(st.sets(st.sampled_from(tokens))) if tokens else set()
    cuts = sorted({0, *(start for start, _ in firsts), len(text)})
    of_two = st.lists(st.sampled_from(tokens), min_size=2, max_size=2) if tokens else st.nothing()
    pairs = data.draw(st.lists(of_two, max_size=4)) if tokens else []
    entities = sorted({(min(pair)[0], max(pair)[1], "X") for pair in pairs})
    made = document(entities, text, sentences=list(pairwise(cuts)), tokens=tokens)
    records = annotated_sentences([made], True)
    assert "".join(record.text for record in records) == text
    offset, found = 0, []
    for record in records:
        found += [(offset + m.fragments[0][0], offset + m.fragments[0][1]) for m in record.entities]
        if record.words:
            parts = zip(record.words, record.spaces)
            assert "".join(word + " " * space for word, space in parts) == record.text
        offset += len(record.text)
    assert sorted(found) == [entity[:2] for entity in entities]
