"""Memory with many labels: batches and segments have a bound."""

import sys

import pytest

from benchmarks.harness.processes import in_own_process
from benchmarks.speed.scale import DOCS_OF_MANY_LABELS, OURS, measure
from spacy_bilstm_crf.crf import steps_of_segment


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak of memory")
@pytest.mark.parametrize("n_labels, most_mb", [(300, 500), (1000, 2000)])
def test_the_memory_of_many_labels_has_a_bound(n_labels, most_mb):
    n_docs = len(DOCS_OF_MANY_LABELS) if n_labels == 300 else 200
    found = in_own_process(measure, n_labels, DOCS_OF_MANY_LABELS[:n_docs], OURS)
    assert found["entities"] > n_docs
    assert found["peak_mb"] < most_mb


def test_segments_are_shorter_with_many_tags():
    assert steps_of_segment(17) == 4096
    assert steps_of_segment(256) == 2048
    assert steps_of_segment(4001) == 1024
