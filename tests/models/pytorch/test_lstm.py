"""The LSTM layer: torch's own over packed sequences is the oracle, for values and gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from spacy_bilstm_crf.models.padding import batches_of_similar_length
from spacy_bilstm_crf.models.pytorch import lstm

SHAPES = [[7], [1, 1, 1], [4, 9, 1, 4], [3, 3, 3], [0, 1, 12, 0], [30, 2, 29, 2, 28, 1, 1]]


def by_torch(layer, tokens, lengths):
    """One sequence after the other."""
    parts = [part for part in tokens.split(lengths.tolist()) if len(part)]
    packed = pack_sequence(parts, enforce_sorted=False)
    hidden, _ = pad_packed_sequence(layer(packed)[0], batch_first=True)
    return torch.cat([states[: len(part)] for states, part in zip(hidden, parts)])


@pytest.mark.parametrize("way", [lstm.bilstm, lstm._packed])
@pytest.mark.parametrize("step_cost", [1, 1000])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["oneDNN", "double"]
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_torchs(shape, dtype, tolerance, step_cost, way, monkeypatch):
    monkeypatch.setattr(lstm, "STEP_COST", step_cost)
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 4, bidirectional=True, dtype=dtype)
    lengths = torch.tensor(shape)
    inputs = torch.randn(sum(shape), 3, dtype=dtype)
    weight = torch.randn(sum(shape), 8, dtype=dtype)
    results = []
    for compute in (by_torch, way):
        layer.zero_grad()
        tokens = inputs.clone().requires_grad_()
        hidden = compute(layer, tokens, lengths)
        (hidden * weight).sum().backward()
        results.append([hidden, tokens.grad, *(param.grad for param in layer.parameters())])
    torch.testing.assert_close(results[1], results[0], rtol=tolerance, atol=tolerance)
    with torch.inference_mode():
        predicted = way(layer, inputs, lengths)
    torch.testing.assert_close(predicted, results[0][0], rtol=tolerance, atol=tolerance)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.floats(0.1, 100))
def test_batches_hold_every_sequence_and_little_padding(lengths, step_cost):
    lengths = sorted([*lengths, 1], reverse=True)
    batches = list(batches_of_similar_length(lengths, step_cost))
    together = [i for start, end in batches for i in range(start, end)]
    assert together == [i for i, length in enumerate(lengths) if length]
    for start, end in batches:
        padding = sum(lengths[start] - length for length in lengths[start:end])
        assert start < end
        assert padding <= step_cost * lengths[end - 1]


@pytest.mark.parametrize("lengths", [[3], [1, 4, 2], [2, 0, 5, 0, 2], [1] * 7])
def test_packing_order_is_torchs_own(lengths):
    lengths = torch.tensor(lengths)
    tokens = torch.arange(float(lengths.sum()))[:, None]
    order, batch_sizes = lstm.packing_order(lengths)
    parts = [part for part in tokens.split(lengths.tolist()) if len(part)]
    expected = pack_sequence(parts, enforce_sorted=False)
    assert torch.equal(tokens[order], expected.data)
    assert torch.equal(batch_sizes, expected.batch_sizes)


@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["single", "double"]
)
@pytest.mark.parametrize("n_steps", [1, 2, 5, lstm.STEP_BY_STEP, lstm.STEP_BY_STEP + 1, 90])
def test_a_single_sequence_in_prediction(n_steps, dtype, tolerance):
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 4, bidirectional=True, dtype=dtype)
    tokens, lengths = torch.randn(n_steps, 3, dtype=dtype), torch.tensor([n_steps])
    with torch.no_grad():
        found = lstm.bilstm(layer, tokens, lengths)
        expected = by_torch(layer, tokens, lengths)
    assert torch.allclose(found, expected, atol=tolerance, rtol=0)
