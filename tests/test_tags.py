"""BILUO tags, and what documents and annotations allow."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf import constraints, tags
from spacy_bilstm_crf.batching import legality

LABELS = ["ORG", "JOB-NAME"]
N_TAGS = tags.count_tags(len(LABELS))
NAMES = [
    "O",
    *["B-ORG", "I-ORG", "L-ORG", "U-ORG"],
    *["B-JOB-NAME", "I-JOB-NAME", "L-JOB-NAME", "U-JOB-NAME"],
]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def names_allowed(mask, token):
    return {NAMES[i] for i in np.flatnonzero(mask[token])}


def test_tag_names_and_counts():
    assert tags.biluo_tags(LABELS) == NAMES
    assert tags.count_labels(N_TAGS) == len(LABELS)
    assert tags.biluo_tags([]) == ["O"]


def test_legal_pairs_as_an_explicit_set():
    closed = ["O", "L-ORG", "U-ORG", "L-JOB-NAME", "U-JOB-NAME"]
    fresh = ["O", "B-ORG", "U-ORG", "B-JOB-NAME", "U-JOB-NAME"]
    expected = {(before, after) for before in closed for after in fresh}
    for label in LABELS:
        for before in "BI":
            for after in "IL":
                expected.add((f"{before}-{label}", f"{after}-{label}"))
    legal = legality(len(NAMES))
    pairs = {(NAMES[a], NAMES[b]) for a, b in zip(*np.nonzero(legal.transitions))}
    assert pairs == expected
    assert {NAMES[i] for i in np.flatnonzero(legal.start)} == set(fresh)
    assert {NAMES[i] for i in np.flatnonzero(legal.end)} == set(closed)


@pytest.mark.parametrize("n_labels", [0, 1, 2, 5])
def test_blocks_are_the_legal_pairs_again(n_labels):
    legal = legality(tags.count_tags(n_labels))
    names = tags.biluo_tags([str(label) for label in range(n_labels)])
    by_definition = [[can_follow(tag, after) for after in names] for tag in names]
    assert legal.transitions.tolist() == by_definition
    of_blocks = np.zeros_like(legal.transitions)
    blocks = legal.blocks
    of_blocks[blocks.wide_from[:, None], blocks.wide_to] = True
    of_blocks[blocks.narrow_from[:, :, None], blocks.narrow_to[:, None, :]] = True
    assert (of_blocks == legal.transitions).all()
    assert blocks.n_tags == len(names)


def can_follow(tag, following):
    if tag[0] in "BI":
        return following[0] in "IL" and following[2:] == tag[2:]
    return following[0] in "OBU"


@st.composite
def spans(draw):
    found, position = [], 0
    for _ in range(draw(st.integers(0, 5))):
        start = position + draw(st.integers(0, 3))
        position = start + draw(st.integers(1, 4))
        found.append((start, position, draw(st.integers(0, 2))))
    return found, position + draw(st.integers(0, 3))


@given(spans())
def test_spans_to_tags_and_back(example):
    found, n_tokens = example
    ids = np.zeros(n_tokens, dtype=np.int64)
    for span in found:
        ids[span[0] : span[1]] = tags.tags_of_span(span)
    assert tags.spans_of_tags(ids) == found
    legal = legality(tags.count_tags(3))
    assert legal.transitions[ids[:-1], ids[1:]].all()


def test_mask_of_span_picks_out_just_that_entity():
    mask = tags.mask_of_span((1, 3, 1), 4, N_TAGS)
    assert names_allowed(mask, 1) == {"B-JOB-NAME"}
    assert names_allowed(mask, 2) == {"L-JOB-NAME"}
    assert mask[0].all()
    assert mask[3].all()


def test_a_plain_doc_allows_everything(nlp):
    assert constraints.allowed_by_doc(nlp("Nothing is known here"), LABELS) is None
    outside = nlp("All is outside")
    outside.ents = []
    assert constraints.allowed_by_doc(outside, LABELS) is None  # a preset O does not bind


def test_whitespace_neither_starts_nor_ends_an_entity(nlp):
    mask = constraints.allowed_by_doc(Doc(nlp.vocab, words=["a", "\n\n", "b"]), LABELS)
    assert names_allowed(mask, 1) == {"O", "I-ORG", "I-JOB-NAME"}
    assert mask[0].all()


def test_no_entity_crosses_a_sentence_start(nlp):
    doc = Doc(nlp.vocab, words=["a", "b", "c"], sent_starts=[True, False, True])
    mask = constraints.allowed_by_doc(doc, LABELS)
    assert names_allowed(mask, 2) == {"O", "B-ORG", "U-ORG", "B-JOB-NAME", "U-JOB-NAME"}
    assert mask[1].all()
    assert mask[0].all()


def test_preset_and_blocked_tokens(nlp):
    words = ["New", "\n", "York", "Times", "in", "Bern"]
    doc = Doc(nlp.vocab, words=words, sent_starts=[True, False, True, False, False, False])
    known = Span(doc, 0, 3, label="ORG")  # across a sentence start, over whitespace
    unknown = Span(doc, 5, 6, label="GPE")
    doc.set_ents([known, unknown], blocked=[doc[4:5]], default="missing")
    mask = constraints.allowed_by_doc(doc, LABELS)
    assert [names_allowed(mask, i) for i in (0, 1, 2)] == [{"B-ORG"}, {"I-ORG"}, {"L-ORG"}]
    assert mask[3].all()
    assert names_allowed(mask, 4) == {"O"}
    assert names_allowed(mask, 5) == {"O"}
    assert [span.text for span in constraints.blocked_spans(doc)] == ["in"]
    without = constraints.allowed_by_doc(doc, LABELS, presets=False)
    assert without[[0, 3, 4, 5]].all()
    assert names_allowed(without, 1) == {"O", "I-ORG", "I-JOB-NAME"}


def gold_names(example, by_doc=None):
    mask = constraints.allowed_by_gold(example, LABELS, by_doc)
    return [names_allowed(mask, i) for i in range(len(mask))]


EVERYTHING = set(NAMES)


def test_gold_is_one_tag_for_each_annotated_token(nlp):
    example = Example.from_dict(nlp("I see Acme Inc"), {"entities": [(6, 14, "ORG")]})
    assert gold_names(example) == [{"O"}, {"O"}, {"B-ORG"}, {"L-ORG"}]


def test_missing_gold_allows_everything(nlp):
    unset = Example.from_dict(nlp("I see Acme Inc"), {})
    assert constraints.allowed_by_gold(unset, LABELS, None) is None
    example = Example.from_dict(nlp("I see Acme"), {"entities": ["O", "-", "U-ORG"]})
    assert gold_names(example) == [{"O"}, EVERYTHING, {"U-ORG"}]


def test_an_empty_list_of_entities_means_outside(nlp):
    example = Example.from_dict(nlp("I see"), {"entities": []})
    assert gold_names(example) == [{"O"}, {"O"}]


def test_misaligned_gold_is_missing(nlp):
    reference = Doc(nlp.vocab, words=["the", "U.S.A", "."], spaces=[True, False, False])
    reference.ents = [Span(reference, 1, 2, label="ORG")]
    predicted = Doc(nlp.vocab, words=["the", "U.", "S.A."], spaces=[True, False, False])
    assert gold_names(Example(predicted, reference)) == [{"O"}, EVERYTHING, EVERYTHING]


@given(st.lists(st.sampled_from(["O", "-", "U-ORG", "B-ORG L-ORG", "B-ORG I-ORG L-ORG"])))
def test_the_quick_way_for_equal_tokens_is_spacys_alignment(nlp, parts):
    annotation = " ".join(parts).split()
    words = ["a", "b", "a", "ab"] * len(annotation)
    reference = Doc(nlp.vocab, words=words[: len(annotation)])
    example = Example.from_dict(reference, {"entities": annotation})
    quick = constraints._gold_of_same_tokens(example, LABELS)
    assert quick.tolist() == constraints._gold_aligned(example, LABELS).tolist()


@pytest.mark.parametrize("words", [["a", "b"], ["a", "b", " "], ["a", "b", "d"]])
def test_other_tokens_are_aligned(nlp, words):
    reference = Doc(nlp.vocab, words=["a", "b", " "])
    example = Example(Doc(nlp.vocab, words=words), reference)
    assert constraints._gold_of_same_tokens(example, LABELS) is None


def test_blocked_gold_is_missing(nlp):
    reference = nlp("I see Acme")
    reference.set_ents([], blocked=[reference[2:3]])
    assert gold_names(Example(nlp("I see Acme"), reference)) == [{"O"}, {"O"}, EVERYTHING]


def test_gold_that_the_doc_rules_out_is_missing(nlp):
    words = ["a", "\n", "b", "c"]
    reference = Doc(nlp.vocab, words=words)
    reference.ents = [Span(reference, 1, 3, label="ORG")]  # starts on whitespace
    predicted = Doc(nlp.vocab, words=words)
    by_doc = constraints.allowed_by_doc(predicted, LABELS)
    found = gold_names(Example(predicted, reference), by_doc)
    assert found == [{"O"}, EVERYTHING, EVERYTHING, {"O"}]


def test_labels_that_are_not_known_are_named(nlp):
    example = Example.from_dict(nlp("I see Acme"), {"entities": [(6, 10, "GPE")]})
    with pytest.raises(ValueError, match=r"\['GPE'\].*add_label"):
        constraints.allowed_by_gold(example, LABELS, None)


def test_incorrect_spans(nlp):
    example = Example.from_dict(nlp("I see Acme"), {"entities": [(6, 10, "ORG")]})
    reference = example.reference
    reference.spans["wrong"] = [
        Span(reference, 1, 3, "ORG"),
        Span(reference, 0, 1, "GPE"),
        Span(reference, 2, 3, "JOB-NAME"),
    ]
    assert constraints.incorrect_spans(example, "wrong", LABELS) == [(1, 3, 0), (2, 3, 1)]
    assert constraints.incorrect_spans(example, "elsewhere", LABELS) == []
    assert constraints.incorrect_spans(example, None, LABELS) == []
    reference.spans["wrong"] = [Span(reference, 2, 3, "ORG")]
    with pytest.raises(ValueError, match="E868"):
        constraints.incorrect_spans(example, "wrong", LABELS)
