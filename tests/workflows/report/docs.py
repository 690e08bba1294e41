"""Entities for the tests: few words for what a doc's gold and predicted entities are."""

import itertools

from hypothesis import strategies as st

from spacy_bilstm_crf.workflows.report.mentions import Compared, Mention

LABELS = ["A", "B"]


def mention(start, end, label="A", probability=None, text=None, values=()):
    """Each token is a character long, with a blank behind it."""
    text = " ".join("x" * (end - start)) if text is None else text
    return Mention(start, end, label, text, 2 * start, 2 * end - 1, probability, values)


def doc_of(gold, predicted, number=0, source="", text=None):
    """A doc of entities, each a tuple of what `mention` takes."""
    sides = [tuple(mention(*each) for each in side) for side in (gold, predicted)]
    n_tokens = max((m.end for side in sides for m in side), default=1)
    return Compared(number, text or " ".join("x" * n_tokens), source, *sides)


@st.composite
def entities(draw, n_tokens=12):
    """Entities without overlaps, in order, as (start, end, label)."""
    cuts = draw(st.lists(st.integers(0, n_tokens), unique=True, max_size=8).map(sorted))
    spans = list(zip(cuts[::2], cuts[1::2]))
    if draw(st.booleans()):  # neighbours too
        spans = list(itertools.pairwise(cuts))
    return [(start, end, draw(st.sampled_from(LABELS))) for start, end in spans]


def overlapping_doc_of(gold, predicted, **kwargs):
    """A doc of entities that may overlap, on either side."""
    doc = doc_of(gold, predicted, **kwargs)
    return doc._replace(gold=with_overlaps(doc.gold), predicted=with_overlaps(doc.predicted))


def with_overlaps(side):
    """Entities of one side in order, each with the labels of those that it overlaps."""
    return tuple(
        one._replace(
            shares_with=tuple(
                other.label
                for other in side
                if other.key != one.key and other.start < one.end and one.start < other.end
            )
        )
        for one in sorted(side, key=lambda each: each.key)
    )


@st.composite
def overlapping_entities(draw, n_tokens=7):
    """Distinct entities, which may overlap."""
    spans = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, n_tokens - 1))
        end = draw(st.integers(start + 1, min(n_tokens, start + 4)))
        spans.append((start, end, draw(st.sampled_from(LABELS))))
    return sorted(set(spans))


docs = st.builds(doc_of, entities(), entities())
overlapping_docs = st.builds(overlapping_doc_of, overlapping_entities(), overlapping_entities())
