"""Losses of docs of any length together: the sums of those of each."""

import numpy as np
import pytest

from spacy_bilstm_crf.batching import Distribution
from spacy_bilstm_crf.training.annotation import Annotation, IncorrectSpan
from spacy_bilstm_crf.training.objectives import summed_divergence, summed_negative_log_likelihood
from tests.helpers import LENGTHS, part, random_masks, random_potentials

pytestmark = pytest.mark.usefixtures("kind_of_arrays")


def test_losses_and_gradients_add_up():
    potentials = random_potentials(LENGTHS)
    allowed = random_masks(potentials, 0.8)
    gold = random_masks(potentials, 0.3)
    incorrect = [
        IncorrectSpan(2, (5, 7, 1)),
        IncorrectSpan(0, (0, 1, 0)),
        IncorrectSpan(2, (9, 10, 0)),
    ]
    allowed[0] = allowed[2] = None
    loss, gradient = summed_negative_log_likelihood(
        potentials, Annotation(allowed, gold, incorrect)
    )
    total, transitions = 0.0, 0.0
    for i in range(len(LENGTHS)):
        here = [span._replace(doc=0) for span in incorrect if span.doc == i]
        alone, d_alone = summed_negative_log_likelihood(
            part(potentials, i), Annotation([allowed[i]], [gold[i]], here)
        )
        total += alone
        transitions = transitions + d_alone.transitions
        np.testing.assert_allclose(d_alone.emissions[0], gradient.emissions[i], atol=1e-6)
    assert loss == pytest.approx(total, rel=1e-9)
    np.testing.assert_allclose(gradient.transitions, transitions, rtol=1e-4, atol=1e-4)


def test_divergence_from_itself_and_from_another():
    potentials = random_potentials(LENGTHS)
    masks = [None] * len(LENGTHS)
    distribution = Distribution(potentials, masks)
    loss, gradient = summed_divergence(distribution, potentials)
    assert loss == pytest.approx(0.0, abs=1e-6)
    assert np.abs(gradient.transitions).max() < 1e-6
    other = random_potentials(LENGTHS, seed=3)
    assert summed_divergence(distribution, other)[0] > 1.0
