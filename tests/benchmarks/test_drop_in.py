"""The study of `replace-ner`: counts of test docs, and what follows from them."""

import numpy as np
import pytest

from benchmarks.drop_in import counts_of, mean_samples, parsed
from benchmarks.harness.training import write_docs
from tests.helpers import TRAIN_DATA, examples_for, trained_nlp


def test_counts_are_read_as_they_were_written(tmp_path):
    nlp = trained_nlp()
    data = [
        *TRAIN_DATA,
        ("Nothing here.", {"entities": []}),
        ("In Oslo.", {"entities": [(3, 7, "LOC")]}),
    ]
    write_docs([example.reference for example in examples_for(nlp, data)], tmp_path / "test.spacy")
    nlp.to_disk(tmp_path / "model")
    counts = parsed(counts_of(tmp_path / "model", tmp_path / "test.spacy"))
    assert len(counts) == 4
    gold, found, predicted, right = counts[:, 0].T
    assert gold.tolist() == [1, 2, 0, 1]
    assert found.tolist() == right.tolist()
    assert (right[:2] == [1, 2]).all() and (predicted >= right).all()


def test_samples_are_means_over_the_seeds():
    half, whole, mixed = (
        {"counts": {"n_docs": 2, "of_docs": of_docs}}
        for of_docs in ("0:2/2/1 1:2/2/1", "0:2/2/2 1:2/2/2", "0:2/2/2 1:2/2/0")
    )
    assert mean_samples([half]) == pytest.approx(50.0)
    assert mean_samples([half, whole]) == pytest.approx(75.0)
    assert set(np.unique(mean_samples([mixed]))) == {0.0, 50.0, 100.0}
