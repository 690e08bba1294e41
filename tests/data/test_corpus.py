"""Annotated data from a path or as docs, for a pipeline of any vocab."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.corpus import (
    read_annotated,
    read_docs,
    read_examples,
    read_files,
    unread_incorrect_spans,
)
from tests.helpers import entities, examples_for, make_nlp


def annotated_docs():
    return [eg.reference for eg in examples_for(spacy.blank("en"))]


def test_docs_are_taken_as_they_are_read_from_a_file(tmp_path):
    docs = annotated_docs()
    DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    nlp = spacy.blank("en")  # in whose vocab the labels are not yet
    for data in (docs, iter(docs), tmp_path / "docs.spacy", str(tmp_path / "docs.spacy")):
        examples = read_examples(data, nlp)
        assert [entities(eg.reference) for eg in examples] == [entities(doc) for doc in docs]
        assert all(eg.reference.vocab is eg.predicted.vocab is nlp.vocab for eg in examples)
        assert not any(eg.predicted.ents for eg in examples)
    (tmp_path / "more").mkdir()
    DocBin(docs=docs).to_disk(tmp_path / "more" / "docs.spacy")
    # The same on all systems: results are kept by these names
    assert [name for name, _ in read_files(tmp_path, nlp.vocab)] == ["docs", "more/docs"]


def test_docs_of_the_vocab_are_not_copied():
    docs = annotated_docs()
    assert read_docs(docs, docs[0].vocab)[0] is docs[0]


def test_docs_without_entities_and_other_values_are_refused():
    vocab = spacy.blank("en").vocab
    with pytest.raises(UserError, match="The data has 1 docs, but no entity"):
        read_annotated([Doc(vocab, words=["a"])], vocab)
    with pytest.raises(UserError, match="a path or spaCy docs, but contain a Token"):
        read_annotated(Doc(vocab, words=["a"]), vocab)


def test_rejected_spans_that_nothing_reads_are_said():
    docs = annotated_docs()
    docs[0].spans["incorrect_spans"] = [docs[0][0:1], docs[0][1:2]]
    said = unread_incorrect_spans(make_nlp(), docs)
    assert said.startswith(
        "The training data have 2 rejected spans in doc.spans['incorrect_spans']"
    )
    assert said.endswith("set --components.ner.incorrect_spans_key incorrect_spans")
    assert unread_incorrect_spans(make_nlp(incorrect_spans_key="incorrect_spans"), docs) is None
    assert unread_incorrect_spans(spacy.blank("en"), docs) is None
    assert unread_incorrect_spans(make_nlp(), docs[1:]) is None
