"""The network from token vectors through a BiLSTM to emissions, in pure torch."""

import math
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from .defaults import FLOATS
from .lstm import bilstm

# A label that is added to a network starts as the mean of the others, with scores lower by this. So
# it is found nowhere until it is trained, but what makes a word an entity is learned already
NEW_LABEL_EMISSION = -5.0
TAGS_OF_LABEL = 4  # after the one tag that belongs to no label


class UninitializedBiLSTMCRF(nn.Module):
    """A placeholder until the width of the inputs and the number of tags are known.

    Args:
        hidden_width: Units of each LSTM, per direction.
        depth: Number of bidirectional layers.
    """

    n_chains: int | None = None  # of the CRF, see `BiLSTMCRFNetwork`

    def __init__(self, hidden_width: int, depth: int):
        super().__init__()
        self.hidden_width = hidden_width
        self.depth = depth


class BiLSTMLayers(nn.Module):
    """Bidirectional LSTM layers over concatenated documents.

    Args:
        n_inputs: Width of a token's vector.
        hidden_width: Units of each LSTM, per direction.
        depth: Number of bidirectional layers. With 0 there is only dropout.

    Attributes:
        architecture: Name of the architecture that the network belongs to.
    """

    architecture: str

    def __init__(self, n_inputs: int, hidden_width: int, depth: int):
        super().__init__()
        widths = [n_inputs] + [2 * hidden_width] * (depth - 1)
        lstms = [
            nn.LSTM(width, hidden_width, bidirectional=True, **FLOATS) for width in widths[:depth]
        ]
        for lstm in lstms:
            _init_lstm(lstm)
        self.lstms = nn.ModuleList(lstms)
        self.n_inputs = n_inputs
        self.hidden_width = hidden_width
        self.depth = depth
        self.n_outputs = 2 * hidden_width if depth else n_inputs

    @classmethod
    def from_state(cls, state: dict[str, Tensor], hidden_width: int) -> "BiLSTMLayers":
        """Create a network from its parameters.

        Args:
            state: The parameters by name.
            hidden_width: The value to set if there is no LSTM.
        """
        depth = sum(name.endswith("weight_ih_l0") for name in state)
        if depth:
            n_inputs = state["lstms.0.weight_ih_l0"].shape[1]
            hidden_width = state["lstms.0.weight_hh_l0"].shape[1]
        else:
            n_inputs = state["emissions.weight"].shape[1]
        shape = reversed(state["start"].shape) if "start" in state else []  # tags, then chains
        network = cls(n_inputs, hidden_width, depth, *shape)
        network.load_state_dict(state)
        return network

    def encode(
        self, tokens: Tensor, lengths: Tensor, dropout: float, locked: bool = True
    ) -> Tensor:
        """Compute the hidden states of both directions.

        Args:
            tokens: Token vectors, float32 [sum of lengths, n_inputs].
            lengths: Number of tokens of each document, int64 on the CPU; 0 is allowed.
            dropout: Dropout rate before and after each layer, 0 to 1; 0 in prediction. It is an
                argument because threads share the mode of a module.
            locked: Drop a feature from all tokens of a document or from none (Gal and Ghahramani
                2016), instead of from each token on its own.

        Returns:
            float32 [sum of lengths, n_outputs].
        """
        if not len(tokens):
            return tokens.new_zeros(0, self.n_outputs)
        doc_of_token = None
        if locked and dropout > 0.0:
            of_token = torch.repeat_interleave(torch.arange(len(lengths), device="cpu"), lengths)
            doc_of_token = of_token.to(tokens.device)
        hidden = tokens
        for lstm in self.lstms:
            hidden = _dropout(hidden, dropout, doc_of_token, len(lengths))
            hidden = bilstm(cast(nn.LSTM, lstm), hidden, lengths)
        return _dropout(hidden, dropout, doc_of_token, len(lengths))


class BiLSTMEncoderNetwork(BiLSTMLayers):
    """The layers alone, from token vectors to hidden states."""

    architecture = "BiLSTMEncoder"
    forward = BiLSTMLayers.encode


class BiLSTMCRFNetwork(BiLSTMLayers):
    """Bidirectional LSTM layers with a linear layer for emissions, and transition scores.

    Emission layer and transitions start at zero, as spaCy's output layers do: before training, all
    legal tag sequences are equally probable.

    Args:
        n_inputs: Width of a token's vector.
        hidden_width: Units of each LSTM, per direction.
        depth: Number of bidirectional layers, 0 if the vectors come from such layers.
        n_tags: Number of tags of a chain.
        n_chains: Number of chains over the same tokens, each with tags and transitions of its own.
            None for a single one, whose parameters have no axis for chains.
    """

    architecture = "BiLSTMCRF"

    def __init__(
        self, n_inputs: int, hidden_width: int, depth: int, n_tags: int, n_chains: int | None = None
    ):
        super().__init__(n_inputs, hidden_width, depth)
        shape = (n_tags,) if n_chains is None else (n_chains, n_tags)
        self.n_chains = n_chains
        self.emissions = nn.Linear(self.n_outputs, math.prod(shape), **FLOATS)
        self.transitions = nn.Parameter(torch.zeros(*shape, n_tags, **FLOATS))
        self.start = nn.Parameter(torch.zeros(shape, **FLOATS))
        self.end = nn.Parameter(torch.zeros(shape, **FLOATS))
        nn.init.zeros_(self.emissions.weight)
        nn.init.zeros_(self.emissions.bias)

    @property
    def n_tags(self) -> int:
        """Number of tags, of all chains together."""
        return self.emissions.out_features

    def forward(
        self, tokens: Tensor, lengths: Tensor, dropout: float, locked: bool = True
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the potentials of a batch of concatenated documents.

        The arguments are those of `encode`.

        Returns:
            Emissions, float32 [sum of lengths, n_tags], transitions [n_tags, n_tags], start and end
            scores [n_tags]; several chains as in `Potentials`.
        """
        emissions = self.emissions(self.encode(tokens, lengths, dropout, locked)).float()
        return emissions, self.transitions, self.start, self.end

    def add_tags(self, n_tags: int) -> None:
        """Grow to a larger number of tags, in place. Present tags keep their parameters.

        The emissions of a new label are the mean of those of the present labels, lowered by
        `NEW_LABEL_EMISSION`; its transition scores are 0.

        Args:
            n_tags: The new number of tags, of all chains together. A new chain is like a new label.

        Raises:
            ValueError: If it is smaller than the present number.
        """
        old = self.n_tags
        if n_tags < old:
            raise ValueError(f"Can't shrink from {old} to {n_tags} tags: labels can't be removed.")
        device = self.transitions.device
        emissions = nn.Linear(
            self.emissions.in_features, n_tags, device=device, dtype=torch.float32
        )
        tags_of_new = TAGS_OF_LABEL if self.n_chains is None else self.start.shape[1]
        with torch.no_grad():
            for grown, present in zip(emissions.parameters(), self.emissions.parameters()):
                grown[:old] = present
                grown[old:].unflatten(0, (-1, tags_of_new)).copy_(_mean_label(present, tags_of_new))
            # The last tags of a label or chain are those of entities
            emissions.bias[old:].unflatten(0, (-1, tags_of_new))[:, -TAGS_OF_LABEL:] += (
                NEW_LABEL_EMISSION
            )
        self.emissions = emissions
        new = (n_tags - old) // tags_of_new
        pad = nn.functional.pad
        # Before and after the last axis, then the one before, and so on
        of_tags, of_pairs = [0, n_tags - old], [0, n_tags - old] * 2
        if self.n_chains is not None:
            of_tags, of_pairs = [0, 0, 0, new], [0, 0, 0, 0, 0, new]
            self.n_chains += new
        self.transitions = nn.Parameter(pad(self.transitions.data, of_pairs))
        self.start = nn.Parameter(pad(self.start.data, of_tags))
        self.end = nn.Parameter(pad(self.end.data, of_tags))

    def entries_after(self, n_tags: int) -> dict[str, np.ndarray]:
        """Return which parameters belong to the tags after the first ones.

        Args:
            n_tags: Number of the first tags, of all chains together.

        Returns:
            For each parameter that has entries for tags, by its name, a bool array of its shape.
        """
        tags = np.arange(self.n_tags) >= n_tags
        by_chain = tags.reshape(self.start.shape)
        return {
            "emissions.weight": np.repeat(tags[:, None], self.n_outputs, axis=1),
            "emissions.bias": tags,
            "transitions": by_chain[..., :, None] | by_chain[..., None, :],
            "start": by_chain,
            "end": by_chain,
        }


def _mean_label(parameter: Tensor, n_tags: int) -> Tensor:
    """Return the mean over the labels, or chains, of a parameter of the emission layer.

    Args:
        parameter: [n_tags of all, ...], perhaps with a tag before that belongs to no label.
        n_tags: Number of tags of each.

    Returns:
        [n_tags, ...], zero if there are no labels.
    """
    n_labels = len(parameter) // n_tags
    of_labels = parameter[len(parameter) - n_labels * n_tags :]
    of_labels = of_labels.reshape(n_labels, n_tags, *parameter.shape[1:])
    return of_labels.sum(0) / max(n_labels, 1)


def _dropout(features: Tensor, rate: float, doc_of_token: Tensor | None, n_docs: int) -> Tensor:
    """Apply dropout with one mask per document, or per token without `doc_of_token`."""
    if rate <= 0.0:
        return features
    if doc_of_token is None:
        if features.device.type != "cpu" or rate >= 1.0:
            return nn.functional.dropout(features, rate)
        # The same as torch's own, which is four times as slow on a CPU
        kept = torch.empty_like(features).uniform_().ge_(rate)
        return features * kept.mul_(1.0 / (1.0 - rate))
    masks = nn.functional.dropout(features.new_ones(n_docs, features.shape[1]), rate)
    return features * masks[doc_of_token]


def _init_lstm(lstm: nn.LSTM) -> None:
    """Initialize with Xavier input weights, orthogonal recurrent weights and open forget gates.

    See Saxe et al. (2014) and Jozefowicz et al. (2015). Each gate's matrix is initialized on its
    own; torch orders the gates input, forget, cell, output.
    """
    size = lstm.hidden_size
    for name, parameter in lstm.named_parameters():
        if "weight_ih" in name:
            for gate in parameter.data.split(size):
                nn.init.xavier_uniform_(gate)
        elif "weight_hh" in name:
            for gate in parameter.data.split(size):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(parameter)
            if "bias_ih" in name:
                parameter.data[size : 2 * size] = 1.0
