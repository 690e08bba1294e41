"""Docs into padded batches and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf import lattice
from spacy_bilstm_crf.tags import count_tags, legal_tags

from .conftest import make_nlp

LABELS = ["A", "B"]


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_buckets_hold_every_doc_once_and_little_padding(lengths):
    found = list(lattice.buckets(lengths))
    assert sorted(i for docs in found for i in docs) == [i for i, n in enumerate(lengths) if n]
    for docs in found:
        sizes = [lengths[i] for i in docs]
        padded = max(sizes) * len(sizes)
        assert padded <= max(lattice.SMALL_BUCKET, (1 + lattice.MAX_PADDING) * sum(sizes)) or (
            len(sizes) == 1
        )


@pytest.fixture
def model():
    return make_nlp(labels=LABELS).get_pipe("ner").model


def random_potentials(lengths, seed=0):
    rng = np.random.default_rng(seed)
    n_tags = count_tags(len(LABELS))

    def scores(*shape):
        return rng.normal(size=shape).astype("float32")

    return lattice.Potentials(
        [scores(length, n_tags) for length in lengths],
        scores(n_tags, n_tags),
        scores(n_tags),
        scores(n_tags),
    )


def part(potentials, doc):
    return lattice.Potentials([potentials.emissions[doc]], *list(vars(potentials).values())[1:])


LENGTHS = [3, 0, 700, 1, 699, 12, 0, 2500]


def random_masks(potentials, share):
    """Masks that leave the best taggings in place, for some docs."""
    rng = np.random.default_rng(1)
    masks = []
    for doc in potentials.emissions:
        mask = rng.random(doc.shape) < share
        mask[:, 0] = True  # all outside is always a legal tagging
        masks.append(mask if rng.random() < 0.7 else None)
    return masks


def test_losses_and_gradients_add_up(model):
    potentials = random_potentials(LENGTHS)
    allowed = random_masks(potentials, 0.8)
    gold = random_masks(potentials, 0.3)
    wrong = [lattice.Wrong(2, (5, 7, 1)), lattice.Wrong(0, (0, 1, 0)), lattice.Wrong(2, (9, 10, 0))]
    allowed[0] = allowed[2] = None
    legal = legal_tags(LABELS)
    loss, gradient = lattice.loss_and_gradient(model, potentials, legal, allowed, gold, wrong)
    total, transitions = 0.0, 0.0
    for i in range(len(LENGTHS)):
        here = [entity._replace(doc=0) for entity in wrong if entity.doc == i]
        alone, d_alone = lattice.loss_and_gradient(
            model, part(potentials, i), legal, [allowed[i]], [gold[i]], here
        )
        total += alone
        transitions = transitions + d_alone.transitions
        np.testing.assert_allclose(d_alone.emissions[0], gradient.emissions[i], atol=1e-6)
    assert loss == pytest.approx(total, rel=1e-9)
    np.testing.assert_allclose(gradient.transitions, transitions, rtol=1e-4, atol=1e-4)


def test_divergence_from_itself_and_from_another(model):
    potentials = random_potentials(LENGTHS)
    masks = [None] * len(LENGTHS)
    legal = legal_tags(LABELS)
    loss, gradient = lattice.divergence(model, potentials, potentials, legal, masks)
    assert loss == pytest.approx(0.0, abs=1e-6)
    assert np.abs(gradient.transitions).max() < 1e-6
    other = random_potentials(LENGTHS, seed=3)
    assert lattice.divergence(model, potentials, other, legal, masks)[0] > 1.0
