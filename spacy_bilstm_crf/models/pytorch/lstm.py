"""A bidirectional LSTM layer over sequences laid end to end, quick on a CPU and exact.

For a CPU torch has oneDNN's LSTM, which in training can take half the time of torch's own
steps over packed sequences, but it takes sequences of one length alone. Those of about the
same length are padded, and each direction runs on its own, so that padding comes after the
last token in both and changes nothing. On a GPU sequences are packed for cuDNN.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

# What a step costs, however many sequences take it, in multiplications: more padding than
# that is worth another group. Measured with 25 and 200 units, in training and prediction.
STEP_COST = 500_000
# A single sequence of so many steps is quicker step by step: oneDNN packs the weights at each call,
# which takes as long as 10 steps on some processors and as 70 on others
STEP_BY_STEP = 24


def bilstm(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """What a single bidirectional layer says about sequences.

    A sequence's result does not depend on what else is in the batch, and one long sequence
    costs the others no padding.

    Args:
        lstm: The layer; its parameters get the gradients.
        tokens: Its input, [sum of lengths, n_inputs], at least one token.
        lengths: Number of tokens of each sequence, int64 on the CPU; 0 is allowed.

    Returns:
        Both directions' hidden states side by side, [sum of lengths, 2 * units].
    """
    way = _padded if tokens.device.type == "cpu" else _packed
    return way(lstm, tokens, lengths)


def _packed(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """The layer over a PackedSequence."""
    packed, batch_sizes = packing_order(lengths)
    order = packed.to(tokens.device)
    hidden = lstm(PackedSequence(tokens[order], batch_sizes))[0].data
    return torch.empty_like(hidden).index_copy(0, order, hidden)


def _padded(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """The layer over groups of sequences of similar length."""
    parameters: list[Tensor] = list(lstm.parameters())
    if len(lengths) == 1 and not torch.is_grad_enabled():
        return _of_one(tokens, parameters)
    starts, last = torch.cumsum(lengths, 0) - lengths, lengths - 1
    longest_first = torch.argsort(lengths, descending=True, stable=True)
    # The groups' hidden states, [n_steps, n_sequences] each, are laid one after the other, of
    # each group forth and then back. Where the first step of a sequence is in both, and how far
    # apart its steps are
    first, apart = lengths.new_empty(len(lengths), 2), torch.empty_like(lengths)
    hidden: list[Tensor] = []
    n_before = 0
    multiplications = 4 * lstm.hidden_size * (lstm.input_size + lstm.hidden_size)
    step_cost = STEP_COST / multiplications
    for start, end in _groups(lengths[longest_first].tolist(), step_cost):
        group = longest_first[start:end]
        n_steps, n_sequences = int(lengths[group[0]]), end - start
        apart[group] = n_sequences
        steps = torch.arange(n_steps, device="cpu")[:, None]
        forth = starts[group] + torch.minimum(steps, last[group])
        back = starts[group] + (last[group] - steps).clamp_min(0)
        for direction, place in enumerate((forth, back)):
            inputs = tokens.index_select(0, place.flatten()).unflatten(0, place.shape)
            weights = parameters[4 * direction : 4 * direction + 4]
            hidden.append(_one_way(inputs, weights).flatten(0, 1))
            first[group, direction] = n_before + torch.arange(n_sequences, device="cpu")
            n_before += n_steps * n_sequences
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device="cpu"), lengths)
    step = torch.arange(len(tokens), device="cpu") - starts[sequence]
    steps = torch.stack([step, last[sequence] - step], 1)
    place = first[sequence] + steps * apart[sequence, None]  # [sum of lengths, 2]
    return torch.cat(hidden).index_select(0, place.flatten()).view(len(tokens), -1)


def _of_one(tokens: Tensor, parameters: list[Tensor]) -> Tensor:
    """The layer over a single sequence, [n_steps, 2 * units]. Nothing can learn from it."""
    inputs = (tokens, tokens.flip(0))
    if len(tokens) > STEP_BY_STEP:
        ways = zip(inputs, (parameters[:4], parameters[4:]))
        forth, back = (_one_way(way[:, None], weights)[:, 0] for way, weights in ways)
    else:
        forth, back = _step_by_step(inputs, parameters).unbind(1)
    return torch.cat([forth, back.flip(0)], 1)


def _step_by_step(inputs: tuple[Tensor, Tensor], parameters: list[Tensor]) -> Tensor:
    """Hidden states of both directions (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    Args:
        inputs: Of both directions, [n_steps, n_inputs].
        parameters: Those of `nn.LSTM`.

    Returns:
        Shape [n_steps, 2, units].
    """
    w_forth, u_forth, *b_forth = parameters[:4]
    w_back, u_back, *b_back = parameters[4:]
    from_inputs = torch.stack(
        [
            torch.addmm(torch.add(*b_forth), inputs[0], w_forth.T),
            torch.addmm(torch.add(*b_back), inputs[1], w_back.T),
        ],
        1,
    )  # [n_steps, 2, 4 * units]
    gates = torch.empty_like(from_inputs[0])
    g_forth, g_back = gates.unbind()
    # torch has the gates in this order
    entering, forgetting, new, leaving = gates.chunk(4, 1)
    two_gates = gates[:, : 2 * entering.shape[1]]
    cell = torch.zeros_like(new)
    hidden = cell.new_empty(len(from_inputs), *cell.shape)
    for t, (from_input, state) in enumerate(zip(from_inputs.unbind(), hidden.unbind())):
        if t:
            (i_forth, i_back), (h_forth, h_back) = from_input.unbind(), hidden[t - 1].unbind()
            torch.addmv(i_forth, u_forth, h_forth, out=g_forth)
            torch.addmv(i_back, u_back, h_back, out=g_back)
        else:
            gates.copy_(from_input)
        two_gates.sigmoid_()
        new.tanh_()
        leaving.sigmoid_()
        cell.mul_(forgetting).addcmul_(entering, new)
        torch.tanh(cell, out=state)
        state.mul_(leaving)
    return hidden


def _one_way(inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """Hidden states of one direction, [n_steps, n_sequences, units]."""
    nothing = inputs.new_zeros(1, inputs.shape[1], weights[1].shape[1])
    training = torch.is_grad_enabled()
    # after input, states and weights: biases, layers, dropout, training, both ways, batch first
    options = (True, 1, 0.0, training, False, False)
    return torch.lstm(inputs, (nothing, nothing), weights, *options)[0]


def _groups(lengths: list[int], step_cost: float) -> Iterator[tuple[int, int]]:
    """Where groups of sequences, longest first, start and end: little is to be padded.

    Args:
        step_cost: What another step costs, in tokens of padding.
    """
    start = padding = 0
    for i, length in enumerate(lengths):
        padding += lengths[start] - length
        if padding > step_cost * length:
            yield start, i
            start, padding = i, 0
        if not length:
            return  # all that follow are empty too
    yield start, len(lengths)


def packing_order(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Where the tokens of sequences laid end to end go in a PackedSequence.

    Worked out from indices, it needs no padded copy of the vectors.

    Args:
        lengths: Number of tokens of each sequence, int64 on the CPU.

    Returns:
        For each place in the packed order the token that comes there [sum of lengths], and the
        number of sequences that have a token at each step.
    """
    longest_first = torch.argsort(lengths, descending=True, stable=True)
    rank = torch.empty_like(longest_first)
    rank[longest_first] = torch.arange(len(lengths), device="cpu")
    starts = torch.cumsum(lengths, 0) - lengths
    step = torch.arange(int(lengths.sum()), device="cpu") - torch.repeat_interleave(starts, lengths)
    by_rank = torch.argsort(torch.repeat_interleave(rank, lengths), stable=True)
    by_step = torch.argsort(step[by_rank], stable=True)
    return by_rank[by_step], torch.bincount(step)
