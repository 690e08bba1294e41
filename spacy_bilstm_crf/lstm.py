"""A bidirectional LSTM layer over packed sequences, quick on a CPU.

In training, torch differentiates an LSTM on a CPU operator by operator and token step by token
step. Here the gradient is written out: both directions take a step in one matrix product, and
all that does not depend on the step before is done for the whole batch at once.

In prediction, torch has oneDNN's LSTM, which can be twice as quick, but takes sequences of one
length alone. Those of about the same length are padded, and each direction runs on its own, so
that padding comes after the last token in both and changes nothing.
"""

from typing import Any, Iterator, List, Tuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

# With fewer sequences in a step, on average, torch's own way is quicker
MIN_SEQUENCES = 3
# In prediction, sequences are taken together as long as the shortest has this share of the
# longest's tokens, up to a number that the processor's caches hold
LEAST_FILLED = 0.7
MOST_TOGETHER = 64


def bilstm(lstm: nn.LSTM, tokens: Tensor, batch_sizes: Tensor) -> Tensor:
    """What a single bidirectional layer says about packed sequences.

    lstm (nn.LSTM): The layer; its parameters get the gradients.
    tokens (Tensor): Its input in packed order, [n_tokens, n_inputs].
    batch_sizes (Tensor): Number of sequences that have a token at each step, int64.
    RETURNS (Tensor): Both directions' hidden states side by side, [n_tokens, 2 * units].
    """
    small = len(tokens) < MIN_SEQUENCES * len(batch_sizes)
    if small or tokens.device.type != "cpu":
        return lstm(PackedSequence(tokens, batch_sizes))[0].data
    if not torch.is_grad_enabled():
        return _predicted(lstm, tokens, batch_sizes)
    backwards = reversal(batch_sizes)
    forth, back = cast(Any, _BothWays.apply)(
        tokens, tokens[backwards], batch_sizes.tolist(), *lstm.parameters()
    )
    return torch.cat([forth, back[backwards]], 1)


def _predicted(lstm: nn.LSTM, tokens: Tensor, batch_sizes: Tensor) -> Tensor:
    """The layer without gradients, some sequences of similar length at a time."""
    parameters: List[Tensor] = list(lstm.parameters())
    units = lstm.hidden_size
    hidden = tokens.new_empty(len(tokens), 2 * units)
    first_place = torch.cumsum(batch_sizes, 0) - batch_sizes
    steps = torch.arange(len(batch_sizes))[:, None]
    ranks = torch.arange(int(batch_sizes[0]))
    lengths = (batch_sizes[:, None] > ranks).sum(0)  # longest first
    for start, end in _groups(lengths.tolist()):
        n_steps, n_tokens = int(lengths[start]), lengths[start:end]
        inside = steps[:n_steps] < n_tokens  # [T, B]
        forth = first_place[:n_steps, None] + ranks[start:end]
        mirror = (n_tokens - 1 - steps[:n_steps]).clamp_min(0)
        back = first_place[mirror] + ranks[start:end]
        nothing = tokens.new_zeros(1, end - start, units)
        for direction, place in enumerate((forth, back)):
            place = place.masked_fill(~inside, 0)  # the padding: any token
            weights = parameters[4 * direction : 4 * direction + 4]
            # input, states, weights; biases, layers, dropout, training, both ways, batch first
            states, *_ = torch.lstm(
                tokens[place], (nothing, nothing), weights, True, 1, 0.0, False, False, False
            )
            columns = slice(direction * units, (direction + 1) * units)
            hidden[place[inside], columns] = states[inside]
    return hidden


def _groups(lengths: List[int]) -> Iterator[Tuple[int, int]]:
    """Where groups of sequences, longest first, start and end: little is to be padded."""
    start = 0
    for i, length in enumerate(lengths):
        if length < LEAST_FILLED * lengths[start] or i - start == MOST_TOGETHER:
            yield start, i
            start = i
    yield start, len(lengths)


def reversal(batch_sizes: Tensor) -> Tensor:
    """For each place of the packed order the place of its sequence's mirrored token."""
    n_steps = len(batch_sizes)
    step = torch.repeat_interleave(torch.arange(n_steps), batch_sizes)
    first_place = torch.cumsum(batch_sizes, 0) - batch_sizes
    sequence = torch.arange(len(step)) - first_place[step]
    lengths = torch.bincount(sequence)
    return first_place[lengths[sequence] - 1 - step] + sequence


class _BothWays(torch.autograd.Function):
    """Two LSTMs side by side, on sequences and on their reversals.

    The gates are torch's: input, forget, cell, output. With c and h the cell and hidden state
    (Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000):
        c = forget * c_before + input * cell,  h = output * tanh(c)
    """

    @staticmethod
    def forward(
        ctx: Any, forth: Tensor, back: Tensor, sizes: List[int], *parameters: Tensor
    ) -> Tensor:
        """Hidden states [2, n_tokens, units]. The parameters are in torch's order."""
        w_ih, w_hh, b_ih, b_hh = zip(parameters[:4], parameters[4:])
        units = w_hh[0].shape[1]
        recurrent = torch.stack(w_hh)
        gates = forth.new_empty(2, len(forth), 4 * units)
        for inputs, gate, weight, b_i, b_h in zip((forth, back), gates, w_ih, b_ih, b_hh):
            torch.addmm(b_i + b_h, inputs, weight.T, out=gate)
        hidden, cells, tanh_cells = (forth.new_empty(2, len(forth), units) for _ in range(3))
        h_before, c_before = forth.new_zeros(2, 2, sizes[0], units)
        of_steps = (part.split(sizes, 1) for part in (gates, hidden, cells, tanh_cells))
        for gate, h, c, tanh_c in zip(*of_steps):
            n = gate.shape[1]
            gate.baddbmm_(h_before[:, :n], recurrent.transpose(1, 2))
            input_gate, forget_gate, cell_gate, output_gate = gate.split(units, 2)
            gate[..., : 2 * units].sigmoid_()
            cell_gate.tanh_()
            output_gate.sigmoid_()
            torch.mul(forget_gate, c_before[:, :n], out=c).addcmul_(input_gate, cell_gate)
            torch.mul(output_gate, torch.tanh(c, out=tanh_c), out=h)
            h_before, c_before = h, c
        ctx.save_for_backward(forth, back, *w_ih, recurrent, gates, hidden, cells, tanh_cells)
        ctx.sizes = sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> Tuple:
        """Backpropagation through time."""
        forth, back, *w_ih, recurrent, gates, hidden, cells, tanh_cells = ctx.saved_tensors
        units = hidden.shape[2]
        h_before, c_before = (_before(states, ctx.sizes) for states in (hidden, cells))
        input_gate, forget_gate, cell_gate, output_gate = gates.split(units, 2)
        # What a step's gradients are multiplied with. From the cell state to the first three
        # gates and from the hidden state to the output gate, before their nonlinearities:
        d_gates = (gates * (1 - gates)).view(2, -1, 4, units)
        d_gates[:, :, 0] *= cell_gate
        d_gates[:, :, 1] *= c_before
        torch.mul(input_gate, 1 - cell_gate * cell_gate, out=d_gates[:, :, 2])
        d_gates[:, :, 3] *= tanh_cells
        # and from the hidden state to the cell state:
        d_cells = output_gate * (1 - tanh_cells * tanh_cells)
        of_steps = (part.split(ctx.sizes, 1) for part in (d_gates, d_cells, forget_gate, d_hidden))
        d_h_after = d_c_after = hidden.new_zeros(2, 0, units)  # none comes from after the end
        for d_gate, d_cell, forget, d_h in reversed(list(zip(*of_steps))):
            n_after = d_h_after.shape[1]
            d_h = d_h.clone()
            d_h[:, :n_after] += d_h_after
            d_c = d_cell.mul_(d_h)
            d_c[:, :n_after] += d_c_after
            d_gate[:, :, :3] *= d_c[:, :, None]
            d_gate[:, :, 3] *= d_h
            d_h_after = torch.bmm(d_gate.flatten(2), recurrent)
            d_c_after = d_c * forget
        d_gates = d_gates.view_as(gates)
        d_w_hh = torch.bmm(d_gates.transpose(1, 2), h_before)
        d_w_ih = [d.T @ inputs for d, inputs in zip(d_gates, (forth, back))]
        d_inputs = [d @ weight for d, weight in zip(d_gates, w_ih)]
        d_b = d_gates.sum(1)
        d_parameters = list(zip(d_w_ih, d_w_hh, d_b, d_b))
        return (*d_inputs, None, *d_parameters[0], *d_parameters[1])


def _before(states: Tensor, sizes: List[int]) -> Tensor:
    """The state that each step started from, zeros at the first."""
    before = torch.zeros_like(states)
    of_steps = states.split(sizes, 1)
    for after, state in zip(before.split(sizes, 1)[1:], of_steps):
        after.copy_(state[:, : after.shape[1]])
    return before
