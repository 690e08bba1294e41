"""Our scores are those of conlleval: exact spans and labels, micro-averaged.

conlleval's rules are written out here once more, apart from spaCy's converters and scorer.
"""

import os
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example, iob_to_biluo
from spacy.training.iob_utils import tags_to_entities

SHARED = Path(__file__).parents[3] / "shared" / "data" / "wnut17"
# A folder with the shared task's published submissions
SUBMISSIONS = Path(os.environ.get("WNUT17_SUBMISSIONS", "nowhere"))
NLP = spacy.blank("xx")


def conlleval_chunks(tags):
    """Entities by conlleval's rules: I- opens one where none of its type is open."""
    found, start, label = set(), None, None
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if start is not None and (prefix in "BO" or kind != label):
            found.add((start, i, label))
            start = None
        if prefix != "O" and start is None:
            start, label = i, kind
    return found


def conlleval_f(gold, predicted):
    right = found = there = 0
    for gold_tags, predicted_tags in zip(gold, predicted):
        a, b = conlleval_chunks(gold_tags), conlleval_chunks(predicted_tags)
        right, found, there = right + len(a & b), found + len(b), there + len(a)
    return 100 * 2 * right / (found + there) if found + there else 0.0


def doc_of(tags):
    """As `spacy convert` makes it."""
    doc = Doc(NLP.vocab, words=["x"] * len(tags))
    entities = tags_to_entities(iob_to_biluo(tags))
    doc.ents = [Span(doc, start, end + 1, label=label) for label, start, end in entities]
    return doc


def spacy_f(gold, predicted):
    examples = [Example(doc_of(b), doc_of(a)) for a, b in zip(gold, predicted)]
    return 100 * (get_ner_prf(examples)["ents_f"] or 0.0)


def is_iob(tags):
    """Every entity begins with B- (IOB2)."""
    return all(tag[0] != "I" or before[1:] == tag[1:] for before, tag in zip(["O", *tags], tags))


TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B-C", "I-B-C"])


@given(st.data(), st.integers(1, 5))
def test_scores_agree_on_any_tags(data, n_sentences):
    gold, predicted = [], []
    for _ in range(n_sentences):
        length = data.draw(st.integers(1, 9))
        tags = st.lists(TAGS, min_size=length, max_size=length)
        gold.append(data.draw(tags.filter(is_iob)))
        predicted.append(data.draw(tags))
    assert spacy_f(gold, predicted) == pytest.approx(conlleval_f(gold, predicted))


def read(path):
    lines = path.read_text(encoding="utf8").split("\n")
    sentences = [[]]
    for line in lines:
        if line.strip():
            sentences[-1].append(line.split()[-1])
        elif sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


@pytest.mark.data
@pytest.mark.skipif(
    not (SUBMISSIONS.exists() and SHARED.exists()),
    reason="needs ../shared/data and WNUT17_SUBMISSIONS, a folder with the submissions",
)
@pytest.mark.parametrize("name, f", [("uh_ritual", 41.86), ("spinningbytes.txt", 40.78)])
def test_published_scores_of_wnut17(name, f):
    gold = read(SHARED / "emerging.test.annotated")
    predicted = read(SUBMISSIONS / name)
    assert [len(tags) for tags in gold] == [len(tags) for tags in predicted]
    assert round(spacy_f(gold, predicted), 2) == f
    assert round(conlleval_f(gold, predicted), 2) == f
