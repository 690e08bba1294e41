"""A bidirectional LSTM layer over concatenated sequences, fast on a CPU and exact.

On a CPU torch has the LSTM of oneDNN, which in training can take half the time of torch's own steps
over packed sequences, but only takes sequences of the same length. So sequences of similar length
are padded, and each direction runs on its own: padding follows the last token in both, where it
changes nothing. On a GPU sequences are packed for cuDNN.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..padding import batches_of_similar_length

# Cost of a step in multiplications, however many sequences take it: when padding costs more, start
# another batch. Measured with 25 and 200 units, in training and prediction
STEP_COST = 500_000
# A single sequence of up to this many steps is faster step by step: oneDNN packs the weights for
# each call, which takes as long as 10 steps on some processors and as 70 on others
STEP_BY_STEP = 24


def bilstm(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Run a single bidirectional layer over sequences.

    The result of a sequence does not depend on the rest of the batch, and one long sequence does
    not pad the others.

    Args:
        lstm: The layer; its parameters get the gradients.
        tokens: Its inputs, float32 [sum of lengths, n_inputs], at least one token.
        lengths: Number of tokens of each sequence, int64 on the CPU; 0 is allowed.

    Returns:
        The hidden states of both directions side by side, float32 [sum of lengths, 2 * units].
    """
    run = _padded if tokens.device.type == "cpu" else _packed
    return run(lstm, tokens, lengths)


def _packed(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Run the layer over a PackedSequence."""
    packed, batch_sizes = packing_order(lengths)
    order = packed.to(tokens.device)
    hidden = lstm(PackedSequence(tokens[order], batch_sizes))[0].data
    return torch.empty_like(hidden).index_copy(0, order, hidden)


def _padded(lstm: nn.LSTM, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Run the layer over batches of sequences of similar length."""
    parameters: list[Tensor] = list(lstm.parameters())
    if len(lengths) == 1 and not torch.is_grad_enabled():
        return _of_one(tokens, parameters)
    starts, last = torch.cumsum(lengths, 0) - lengths, lengths - 1
    longest_first = torch.argsort(lengths, descending=True, stable=True)
    # The hidden states of the batches, [n_steps, n_sequences], are concatenated: for each batch
    # forward and then backward. For each sequence: its first step in both directions, and the
    # distance between its steps
    first, apart = lengths.new_empty(len(lengths), 2), torch.empty_like(lengths)
    hidden: list[Tensor] = []
    n_before = 0
    multiplications = 4 * lstm.hidden_size * (lstm.input_size + lstm.hidden_size)
    step_cost = STEP_COST / multiplications
    for start, end in batches_of_similar_length(lengths[longest_first].tolist(), step_cost):
        batch = longest_first[start:end]
        n_steps, n_sequences = int(lengths[batch[0]]), end - start
        apart[batch] = n_sequences
        steps = torch.arange(n_steps, device="cpu")[:, None]
        forth = starts[batch] + torch.minimum(steps, last[batch])
        back = starts[batch] + (last[batch] - steps).clamp_min(0)
        for direction, source in enumerate((forth, back)):
            inputs = tokens.index_select(0, source.flatten()).unflatten(0, source.shape)
            weights = parameters[4 * direction : 4 * direction + 4]
            hidden.append(_one_way(inputs, weights).flatten(0, 1))
            first[batch, direction] = n_before + torch.arange(n_sequences, device="cpu")
            n_before += n_steps * n_sequences
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device="cpu"), lengths)
    step = torch.arange(len(tokens), device="cpu") - starts[sequence]
    steps = torch.stack([step, last[sequence] - step], 1)
    place = first[sequence] + steps * apart[sequence, None]  # [sum of lengths, 2]
    return torch.cat(hidden).index_select(0, place.flatten()).view(len(tokens), -1)


def _of_one(tokens: Tensor, parameters: list[Tensor]) -> Tensor:
    """Run the layer over a single sequence, without gradients: [n_steps, 2 * units]."""
    inputs = (tokens, tokens.flip(0))
    if len(tokens) > STEP_BY_STEP:
        ways = zip(inputs, (parameters[:4], parameters[4:]))
        forth, back = (_one_way(way[:, None], weights)[:, 0] for way, weights in ways)
    else:
        forth, back = _step_by_step(inputs, parameters).unbind(1)
    return torch.cat([forth, back.flip(0)], 1)


def _step_by_step(inputs: tuple[Tensor, Tensor], parameters: list[Tensor]) -> Tensor:
    """Compute the hidden states of both directions step by step.

    The equations are those of Hochreiter and Schmidhuber (1997) and Gers et al. (2000).

    Args:
        inputs: Inputs of both directions, [n_steps, n_inputs].
        parameters: Parameters of `nn.LSTM`.

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
    # torch's order of the gates
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
    """Compute the hidden states of one direction, [n_steps, n_sequences, units]."""
    nothing = inputs.new_zeros(1, inputs.shape[1], weights[1].shape[1])
    training = torch.is_grad_enabled()
    # biases, layers, dropout, training, bidirectional, batch first
    options = (True, 1, 0.0, training, False, False)
    return torch.lstm(inputs, (nothing, nothing), weights, *options)[0]


def packing_order(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the order of the tokens of concatenated sequences in a PackedSequence.

    Unlike torch's own function, it needs no padded copy of the vectors.

    Args:
        lengths: Number of tokens of each sequence, int64 on the CPU.

    Returns:
        The token at each position of the packed order, int64 [sum of lengths], and the number of
        sequences with a token at each step, int64 [longest length].
    """
    longest_first = torch.argsort(lengths, descending=True, stable=True)
    rank = torch.empty_like(longest_first)
    rank[longest_first] = torch.arange(len(lengths), device="cpu")
    starts = torch.cumsum(lengths, 0) - lengths
    step = torch.arange(int(lengths.sum()), device="cpu") - torch.repeat_interleave(starts, lengths)
    by_rank = torch.argsort(torch.repeat_interleave(rank, lengths), stable=True)
    by_step = torch.argsort(step[by_rank], stable=True)
    return by_rank[by_step], torch.bincount(step)
