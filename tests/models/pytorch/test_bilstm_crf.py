"""The network: sizes, dropout, batch invariance."""

import pytest
import torch

from spacy_bilstm_crf.models.pytorch import bilstm_crf as network


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = network.BiLSTMCRFNetwork(n_inputs=6, hidden_width=5, depth=2, n_tags=5)
    torch.nn.init.normal_(made.emissions.weight)
    return made


def test_a_doc_does_not_depend_on_its_batch(net):
    lengths = torch.tensor([4, 0, 9, 1, 30])
    tokens = torch.randn(44, 6)
    together = net(tokens, lengths, 0.0)[0]
    for doc, part in zip(tokens.split(lengths.tolist()), together.split(lengths.tolist())):
        alone = net(doc, torch.tensor([len(doc)]), 0.0)[0]
        torch.testing.assert_close(alone, part, atol=1e-6, rtol=1e-6)


def test_initial_weights():
    net = network.BiLSTMCRFNetwork(n_inputs=3, hidden_width=4, depth=1, n_tags=5)
    emissions, transitions, start, end = net(torch.randn(2, 3), torch.tensor([2]), 0.0)
    assert emissions.shape == (2, 5)
    assert not any(part.any() for part in (emissions, transitions, start, end))
    lstm = net.lstms[0]
    assert lstm.bias_ih_l0.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8  # forget gate open
    for gate in lstm.weight_hh_l0_reverse.split(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4))


def test_dropout_is_locked_within_a_doc(net):
    lengths = torch.tensor([50, 50])
    tokens = torch.ones(100, 6)
    doc_of_token = torch.repeat_interleave(torch.arange(2), lengths)
    dropped = network._dropout(tokens, 0.5, doc_of_token, 2)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped[:50] == dropped[0]).all()
    assert (dropped[50:] == dropped[50]).all()
    assert not torch.equal(net(tokens, lengths, 0.5)[0], net(tokens, lengths, 0.5)[0])


@pytest.mark.parametrize("locked", [True, False])
def test_the_call_says_what_is_dropped_and_not_the_mode(net, locked):
    tokens, lengths = torch.ones(100, 6), torch.tensor([50, 50])
    expected = net(tokens, lengths, 0.0, locked)[0]
    for mode in (net.train, net.eval):
        mode()
        assert torch.equal(net(tokens, lengths, 0.0, locked)[0], expected)
        assert not torch.equal(net(tokens, lengths, 0.5, locked)[0], expected)


def test_dropout_that_is_not_locked_differs_between_tokens(net):
    tokens = torch.ones(100, 6)
    dropped = network._dropout(tokens, 0.5, None, 1)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not (dropped == dropped[0]).all()
    dropped = network._dropout(torch.ones(10_000, 6), 0.2, None, 1)
    assert dropped.unique().tolist() == [0.0, 1.25]
    assert (dropped == 0.0).float().mean() == pytest.approx(0.2, abs=0.02)
    assert not network._dropout(tokens, 1.0, None, 1).any()


def test_state_holds_all_sizes(net):
    again = network.BiLSTMCRFNetwork.from_state(net.state_dict(), 7)
    assert (again.n_inputs, again.hidden_width, again.depth, again.n_tags) == (6, 5, 2, 5)
    tokens, lengths = torch.randn(3, 6), torch.tensor([3])
    assert torch.equal(again(tokens, lengths, 0.0)[0], net(tokens, lengths, 0.0)[0])


def test_adding_tags_keeps_what_is_there(net):
    tokens, lengths = torch.randn(3, 6), torch.tensor([3])
    torch.nn.init.normal_(net.transitions)
    before, transitions = net(tokens, lengths, 0.0)[:2]
    transitions = transitions.clone()
    net.add_tags(9)
    after, grown, start, end = net(tokens, lengths, 0.0)
    torch.testing.assert_close(after[:, :5], before)  # another product, other rounding
    # The new label is the mean of the labels, here of one
    torch.testing.assert_close(after[:, 5:], before[:, 1:5] + network.NEW_LABEL_EMISSION)
    net.add_tags(13)
    mean = (after[:, 1:5] + after[:, 5:]) / 2
    again = net(tokens, lengths, 0.0)[0][:, 9:]
    torch.testing.assert_close(again, mean + network.NEW_LABEL_EMISSION)
    net.add_tags(13)
    assert torch.equal(grown[:5, :5], transitions)
    assert grown.shape == (9, 9)
    assert start.shape == end.shape == (9,)
    with pytest.raises(ValueError, match="from 13 to 5"):
        net.add_tags(5)


def test_no_tokens(net):
    assert net(torch.zeros(0, 6), torch.tensor([0, 0]), 0.5)[0].shape == (0, 5)
