"""Entities keep their probabilities, and docs stay whole, when other components change the doc."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.util import fix_random_seed

from tests.approx import alike
from tests.helpers import entities, examples_for, make_nlp, train

TEXT = "Ada Khan and Shaka Khan like New York City and Berlin."
DATA = [
    ("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}),
    ("Ada Khan likes New York City.", {"entities": [(0, 8, "PERSON"), (15, 28, "LOC")]}),
    ("I like New York City and Berlin.", {"entities": [(7, 20, "LOC"), (25, 31, "LOC")]}),
]


@pytest.fixture(scope="module")
def nlp():
    fix_random_seed(0)
    made = make_nlp()
    train(made, examples_for(made, DATA))
    return made


def confidences(doc):
    return {(ent.text, ent.label_): ent._.confidence for ent in doc.ents}


@pytest.fixture
def doc(nlp):
    found = nlp(TEXT)
    assert ("New York City", "LOC") in entities(found)
    assert all(0.0 < p <= 1.0 for p in confidences(found).values())
    return found


def component(doc, name, **config):
    """Another component of spaCy, which shares the doc's vocab."""
    return spacy.blank("en", vocab=doc.vocab).add_pipe(name, config=config)


def after(doc, name, **config):
    """The doc after another component of spaCy."""
    return component(doc, name, **config)(doc)


def check_whole(doc, expected, vocab):
    """All that spaCy does with a doc works, and nothing of the probabilities is lost."""
    assert confidences(doc) == expected
    copies = [
        doc.copy(),
        Doc(vocab).from_bytes(doc.to_bytes()),
        *DocBin(docs=[doc], store_user_data=True).get_docs(vocab),
        Doc.from_docs([doc]),
        doc[:].as_doc(copy_user_data=True),
    ]
    for each in copies:
        assert confidences(each) == expected
    both = Doc.from_docs([doc, doc])
    assert [ent._.confidence for ent in both.ents] == 2 * list(expected.values())
    doc.to_json()


def test_merged_entities(nlp, doc):
    expected = confidences(doc)
    doc = after(doc, "merge_entities")
    assert [token.text for token in doc if token.ent_type_ == "LOC"] == ["New York City", "Berlin"]
    check_whole(doc, expected, nlp.vocab)
    # and the component can be run again
    assert confidences(nlp.get_pipe("ner")(doc)) == expected


def test_merged_entities_beside_candidates(nlp, doc):
    expected = confidences(doc)
    ner = nlp.get_pipe("ner")
    ner.spans_key, ner.candidates_threshold = "sure", 0.01
    doc = nlp(TEXT)
    ner.spans_key = ner.candidates_threshold = None
    doc = after(doc, "merge_entities")
    assert confidences(doc) == alike(expected)
    # Groups don't fit the tokens any more: what they say is not believed
    assert Span(doc, 0, 2, label="LOC")._.confidence is None


def test_merged_chunks_and_subtokens(nlp, doc):
    expected = confidences(doc)
    heads = [1, 1, 5, 4, 5, 5, 8, 8, 5, 8, 8, 5]
    deps = ["compound", "nsubj", "cc", "compound", "conj", "ROOT", "compound", "compound", "dobj"]
    for token, head, dep in zip(doc, heads, [*deps, "cc", "conj", "punct"], strict=True):
        token.head, token.dep_, token.pos_ = doc[head], dep, "NOUN"
    check_whole(after(doc.copy(), "merge_noun_chunks"), expected, nlp.vocab)
    doc[6].dep_ = doc[7].dep_ = "subtok"
    doc = after(doc, "merge_subtokens")
    assert "New York City" in [token.text for token in doc]
    check_whole(doc, expected, nlp.vocab)


def test_split_tokens(nlp, doc):
    expected = confidences(doc)
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[10], ["Ber", "lin"], heads=[(doc[10], 1), doc[5]])
    check_whole(doc, expected, nlp.vocab)


@pytest.mark.parametrize("overwrite", [False, True])
def test_entity_ruler(nlp, doc, overwrite):
    expected = confidences(doc)
    ruler = component(doc, "entity_ruler", overwrite_ents=overwrite)
    ruler.add_patterns([{"label": "STATE", "pattern": "New York"}])
    doc = ruler(doc)
    if overwrite:
        del expected["New York City", "LOC"]
        expected["New York", "STATE"] = None
    assert confidences(doc) == expected


def test_span_ruler_and_doc_cleaner(nlp, doc):
    expected = confidences(doc)
    ruler = component(doc, "span_ruler")
    ruler.add_patterns([{"label": "STATE", "pattern": "New York"}])
    check_whole(ruler(doc), expected, nlp.vocab)
    doc = after(doc, "doc_cleaner", attrs={"tensor": None}, silent=True)
    assert confidences(doc) == confidences(doc.copy()) == expected


def test_merging_in_a_pipeline_with_several_processes(nlp, doc):
    expected = confidences(doc)
    nlp.add_pipe("merge_entities")
    try:
        for found in nlp.pipe([TEXT] * 4, n_process=2, batch_size=2):
            assert confidences(found).keys() == expected.keys()
            assert None not in confidences(found).values()
    finally:
        nlp.remove_pipe("merge_entities")
