"""Docs into padded batches and back."""

from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf import batching


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_buckets_hold_every_doc_once_and_little_padding(lengths):
    found = list(batching.batches_by_length(lengths, n_tags=5))
    assert sorted(i for docs in found for i in docs) == [i for i, n in enumerate(lengths) if n]
    for docs in found:
        sizes = [lengths[i] for i in docs]
        padded = max(sizes) * len(sizes)
        assert padded <= max(batching.SMALL_BATCH, (1 + batching.MAX_PADDING) * sum(sizes)) or (
            len(sizes) == 1
        )


@given(st.lists(st.integers(0, 700), max_size=40), st.integers(1, 5000))
def test_buckets_of_many_tags_have_a_bound(lengths, n_tags):
    found = list(batching.batches_by_length(lengths, n_tags))
    assert sorted(i for docs in found for i in docs) == [i for i, n in enumerate(lengths) if n]
    for docs in found:
        padded = max(lengths[i] for i in docs) * len(docs)
        assert padded * n_tags <= batching.LARGEST_BATCH or (
            len(docs) == 1 or padded <= batching.LEAST_LARGEST
        )
