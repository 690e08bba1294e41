"""The LSTM layer: torch's own is the oracle, for values and gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from spacy_bilstm_crf import lstm

SHAPES = [[7], [1, 1, 1], [9, 4, 4, 1], [3, 3, 3], [12, 1]]


@pytest.fixture(params=SHAPES, ids=str)
def packed(request, monkeypatch):
    monkeypatch.setattr(lstm, "MIN_SEQUENCES", 0)
    return pack_sequence([torch.randn(n, 3, dtype=torch.float64) for n in request.param])


def test_values_and_gradients_are_torchs(packed):
    layer = torch.nn.LSTM(3, 4, bidirectional=True, dtype=torch.float64)
    weight = torch.randn(len(packed.data), 8, dtype=torch.float64)
    results = []
    for compute in (
        lambda tokens: layer(PackedSequence(tokens, packed.batch_sizes))[0].data,
        lambda tokens: lstm.bilstm(layer, tokens, packed.batch_sizes),
    ):
        layer.zero_grad()
        tokens = packed.data.clone().requires_grad_()
        hidden = compute(tokens)
        (hidden * weight).sum().backward()
        results.append([hidden, tokens.grad, *(param.grad for param in layer.parameters())])
    torch.testing.assert_close(results[1], results[0])


def test_two_uses_of_a_layer_add_up_their_gradients(packed):
    layer = torch.nn.LSTM(3, 4, bidirectional=True, dtype=torch.float64)
    lstm.bilstm(layer, packed.data, packed.batch_sizes).sum().backward()
    once = layer.weight_hh_l0.grad.clone()
    lstm.bilstm(layer, packed.data, packed.batch_sizes).sum().backward()
    torch.testing.assert_close(layer.weight_hh_l0.grad, 2 * once)


@pytest.mark.parametrize("most_together", [2, 64])
def test_predicted_values_are_torchs(packed, most_together, monkeypatch):
    monkeypatch.setattr(lstm, "MOST_TOGETHER", most_together)
    monkeypatch.setattr(lstm, "_BothWays", None)
    layer = torch.nn.LSTM(3, 4, bidirectional=True)
    tokens = packed.data.float()
    with torch.inference_mode():
        found = lstm.bilstm(layer, tokens, packed.batch_sizes)
    expected = layer(PackedSequence(tokens, packed.batch_sizes))[0].data
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200))
def test_groups_hold_every_sequence_and_little_padding(lengths):
    lengths.sort(reverse=True)
    groups = list(lstm._groups(lengths))
    assert [i for start, end in groups for i in range(start, end)] == list(range(len(lengths)))
    for start, end in groups:
        assert 0 < end - start <= lstm.MOST_TOGETHER
        assert lengths[end - 1] >= lstm.LEAST_FILLED * lengths[start]


def test_small_batches_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(lstm, "_BothWays", None)
    layer = torch.nn.LSTM(3, 4, bidirectional=True)
    packed = pack_sequence([torch.randn(9, 3)])
    assert lstm.bilstm(layer, packed.data, packed.batch_sizes).requires_grad
    packed = pack_sequence([torch.randn(9, 3)] * 8)
    with pytest.raises(AttributeError):
        lstm.bilstm(layer, packed.data, packed.batch_sizes)


def test_reversal():
    sequences = [torch.arange(n) + 100 * i for i, n in enumerate([4, 4, 2])]
    together = pack_sequence(sequences)
    expected = pack_sequence([sequence.flip(0) for sequence in sequences])
    assert torch.equal(together.data[lstm.reversal(together.batch_sizes)], expected.data)
