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


docs = st.builds(doc_of, entities(), entities())
