"""What is found in docs: together as one by one, long ones as short ones."""

import math
from importlib import import_module

import numpy as np
import pytest

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import Distribution
from spacy_bilstm_crf.crf import long_sequences
from spacy_bilstm_crf.decoding import DecodingSettings, decode
from tests.helpers import LENGTHS, part, random_masks, random_potentials, tags_of_spans

pytestmark = pytest.mark.usefixtures("kind_of_arrays")

WANTED = [
    DecodingSettings(None, False, None, 20),
    DecodingSettings(None, True, None, 20),
    DecodingSettings(None, True, 0.05, 3),
    DecodingSettings(0.3, False, None, 20),
    DecodingSettings(0.3, True, 0.05, 3),
    DecodingSettings(0.0, True, 0.3, 20),
]


def spans(entities):
    return [entity.span for entity in entities]


def probabilities(entities):
    return [entity.probability for entity in entities]


@pytest.mark.parametrize("wanted", WANTED)
def test_together_as_one_by_one(wanted):
    potentials = random_potentials(LENGTHS)
    masks = random_masks(potentials, 0.5)
    together = decode(Distribution(potentials, masks), wanted)
    assert sum(len(found.entities) for found in together) > 100
    for i, found in enumerate(together):
        (alone,) = decode(Distribution(part(potentials, i), [masks[i]]), wanted)
        for ours, theirs in zip(found, alone, strict=True):
            assert spans(ours) == spans(theirs)
            np.testing.assert_allclose(probabilities(ours), probabilities(theirs), atol=1e-9)
        ids = tags_of_spans(spans(found.entities), LENGTHS[i])
        if masks[i] is not None and wanted.threshold is None:
            assert masks[i][np.arange(len(ids)), ids].all()


@pytest.mark.parametrize("wanted", WANTED)
def test_long_docs_as_short_ones(wanted, monkeypatch):
    potentials = random_potentials([700, 3, 699, 2500])
    masks = random_masks(potentials, 0.8)
    arguments = (Distribution(potentials, masks), wanted)
    whole = decode(*arguments)
    monkeypatch.setattr(long_sequences, "SEGMENT", 64)
    # The module, not the function that has its name
    monkeypatch.setattr(import_module("spacy_bilstm_crf.decoding.decode"), "SHORT_DOC", 2)
    calls = []
    cut = long_sequences.posteriors
    monkeypatch.setattr(crf, "posteriors", lambda *a: (calls.append(a), cut(*a))[1])
    in_segments = decode(*arguments)
    assert len(calls) == (4 if wanted.entity_scores or wanted.minimum is not None else 0)
    for ours, theirs in zip(in_segments, whole, strict=True):
        for some, others in zip(ours, theirs, strict=True):
            assert spans(some) == spans(others)
            np.testing.assert_allclose(probabilities(some), probabilities(others), atol=1e-9)


def test_what_was_not_asked_for_is_not_there():
    potentials = random_potentials([50])
    distribution = Distribution(potentials, [None])
    ((entities, candidates),) = decode(distribution, WANTED[0])
    assert all(math.isnan(entity.probability) for entity in entities)
    assert entities
    assert candidates == []
    ((scored, candidates),) = decode(distribution, WANTED[2])
    assert spans(scored) == spans(entities)
    assert all(0.0 < entity.probability <= 1.0 for entity in scored)
    assert len(candidates) > len(scored)
    assert all(entity.end - entity.start <= 3 for entity in candidates)


def test_docs_without_entities_are_not_asked_for_probabilities(monkeypatch):
    potentials = random_potentials([40, 5, 60, 30, 7])
    for empty in (2, 4):
        potentials.emissions[empty][:, 0] += 1000.0  # outside
    expected = [
        decode(Distribution(part(potentials, doc), [None]), WANTED[1])[0] for doc in range(5)
    ]
    calls = []
    whole = crf.forward_backward
    monkeypatch.setattr(
        crf, "forward_backward", lambda chain: (calls.append(chain), whole(chain))[1]
    )
    found = decode(Distribution(potentials, [None] * 5), WANTED[1])
    assert sorted(length for chain in calls for length in chain.lengths.tolist()) == [5, 30, 40]
    assert all(chain.scores.emissions.shape[1] <= 40 for chain in calls)
    assert [bool(ours.entities) for ours in found] == [True, True, False, True, False]
    for ours, theirs in zip(found, expected, strict=True):
        assert spans(ours.entities) == spans(theirs.entities)
        np.testing.assert_allclose(
            probabilities(ours.entities), probabilities(theirs.entities), atol=1e-9
        )
