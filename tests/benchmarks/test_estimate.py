"""Estimates on texts of other data sets: labels of the same meaning are compared."""

import pytest

from benchmarks import estimate
from benchmarks.estimate import Label, covers, renamed, true_scores
from tests.helpers import examples_for, trained_nlp


def test_only_the_shared_label_counts_and_has_our_name():
    nlp = trained_nlp()
    examples = examples_for(
        nlp,
        [
            ("I like London and Berlin.", {"entities": [(7, 13, "city"), (18, 24, "product")]}),
            ("Who is Shaka Khan?", {"entities": [(7, 17, "person")]}),
        ],
    )
    renamed(examples, Label("location", "LOC", "city"))
    assert true_scores(nlp, examples, "LOC") == pytest.approx(
        {"true_p": 0.5, "true_r": 1.0, "true_f": 2 / 3, "n_true": 1}
    )


def test_the_data_sets_that_share_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "CORPUS", tmp_path)
    for name in ("four-domains", "wnut17", "ncbi-disease"):
        (tmp_path / name / "test").mkdir(parents=True)
    assert estimate.others("wnut17") == {
        "four-domains": [
            Label("person", "person", "PERSON"),
            Label("location", "location", "PLACE"),
        ]
    }
    assert list(estimate.others("four-domains")) == ["ncbi-disease", "wnut17"]
    assert estimate.others("german-ler") == {}
    assert covers([0.5, 0.4, 0.6], 0.6) and not covers([0.5, 0.4, 0.6], 0.61)
    assert not covers(None, 0.5)
