"""Folds: which docs are together, and what is kept of the models trained on the others."""

from collections import Counter

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows.cross_validation.folds import data_digest, fold_of_docs

NLP = spacy.blank("en")


def doc_of(words, source=None, **user_data):
    doc = Doc(NLP.vocab, words=words.split())
    if source is not None:
        doc.user_data["meta"] = {"source": source}
    doc.user_data.update(user_data)
    return doc


@given(
    st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 5)), min_size=2, max_size=30),
    st.integers(2, 4),
    st.integers(0, 3),
)
def test_docs_of_one_text_or_one_source_are_together(docs, n_folds, seed):
    made = [doc_of(f"doc {text}", source) for text, source in docs]
    group_by = "source" if any(source is not None for _, source in docs) else None
    try:
        place = fold_of_docs(made, n_folds, seed, group_by)
    except UserError:
        return  # too few groups, which test_too_few_groups checks
    assert len(place) == len(docs) and set(place) <= set(range(n_folds))
    for i, (text, source) in enumerate(docs):
        for j, (other_text, other_source) in enumerate(docs):
            if text == other_text or (source is not None and source == other_source):
                assert place[i] == place[j]
    assert set(place) == set(range(n_folds))  # none is empty


def test_folds_are_of_about_equal_size():
    sizes = [7, 5, 4, 3, 3, 2, 1, 1, 1]
    docs = [doc_of(f"{s} {i}", s) for s, size in enumerate(sizes) for i in range(size)]
    place = Counter(fold_of_docs(docs, 3, 0, "source"))
    assert sorted(place.values()) == [9, 9, 9]
    place = Counter(fold_of_docs(docs, 5, 0))
    assert sorted(place.values()) == [5, 5, 5, 6, 6]


def test_values_are_those_of_meta_user_data_and_extensions():
    docs = [doc_of(str(i), **{"site": "a" if i < 3 else "b"}) for i in range(5)]
    docs.append(doc_of("5", "x", site="c"))
    assert fold_of_docs(docs, 3, 0, "site")[:3].count(fold_of_docs(docs, 3, 0, "site")[0]) == 3
    docs = [doc_of(str(i)) for i in range(4)]
    for i, doc in enumerate(docs):
        doc.user_data["._.", "place", None, None] = i % 2
    place = fold_of_docs(docs, 2, 0, "place")
    assert place[0] == place[2] != place[1] == place[3]


def test_too_few_groups():
    docs = [doc_of(str(i), source=i % 2) for i in range(9)]
    with pytest.raises(UserError, match="2 groups of docs by source can't be split into 3 folds"):
        fold_of_docs(docs, 3, 0, "source")
    with pytest.raises(UserError, match=r"--group-by page: no doc has it .* They have: source\."):
        fold_of_docs(docs, 3, 0, "page")


def test_a_digest_tells_annotation_apart():
    def made(*spans, words="a b c", groups=()):
        doc = doc_of(words)
        doc.set_ents([Span(doc, *span) for span in spans], default="outside")
        for key in groups:
            doc.spans[key] = [Span(doc, 0, 1, "A")]
        return doc

    docs = [
        [made((0, 1, "A"))],
        [made((0, 1, "B"))],
        [made((0, 2, "A"))],
        [made((0, 1, "A"), words="a b d")],
        [made((0, 1, "A"), groups=["sc"])],
        [doc_of("a b c")],
        [made(), made((0, 1, "A"))],
        [made((0, 1, "A")), made()],
    ]
    assert len({data_digest(each) for each in docs}) == len(docs)
    assert data_digest([made((0, 1, "A"))]) == data_digest(docs[0])
