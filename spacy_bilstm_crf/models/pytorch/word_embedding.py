"""Token vectors from words, their characters and attributes, in pure torch."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ..characters import N_DIRECT_CHARACTERS
from .defaults import FLOATS
from .lstm import bilstm

# Number of rows that the table of word vectors grows by. Each block is a parameter of its own:
# growing does not change shapes that an optimizer has seen
BLOCK_ROWS = 1024
N_CHARACTER_ROWS = 1 + 2 * N_DIRECT_CHARACTERS  # row 0 is padding
NO_SPANS = torch.zeros(0, dtype=torch.long, device="cpu")


class Words(NamedTuple):
    """The distinct words of a batch and the words of its tokens.

    Attributes:
        rows: Row of each word in the table, int64 [n_words]; -1 for an unknown word, -2 - i for
            row i of `static`.
        static: Pretrained vectors of words without a row, float32 [n_static, word_width].
        characters: Ids of the characters from 1, word by word, int64 [sum of lengths].
        lengths: Number of characters of each word, int64 [n_words], on the CPU.
        of_token: Index of each token's word, int64 [n_tokens].
        attributes: Rows of the attributes, int64 [n_tokens, n_attributes].
        span_rows: Four rows of each feature from spans, token by token and for each token key by
            key, int64 [n_features, 4].
        n_span_features: Number of these features for each token and key, int64 [n_tokens * n_keys].
    """

    rows: Tensor
    static: Tensor
    characters: Tensor
    lengths: Tensor
    of_token: Tensor
    attributes: Tensor
    span_rows: Tensor = NO_SPANS
    n_span_features: Tensor = NO_SPANS


class CharCNN(nn.Module):
    """Convolution over the characters of a word with max pooling (Ma and Hovy 2016).

    Args:
        char_width: Width of a character's vector.
        filters: Number of filters.
        window: Number of characters that a filter sees.
    """

    def __init__(self, char_width: int, filters: int, window: int):
        super().__init__()
        self.n_outputs = filters
        self.embedding = _character_table(char_width)
        self.convolution = nn.Conv1d(char_width, filters, window, padding=window // 2, **FLOATS)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Compute the vectors of words.

        The output of a filter is a sum over the positions in its window, of terms that depend on
        the character alone. These are computed once for each distinct character.

        Args:
            characters: Ids of the characters, word by word, int64 [sum of lengths].
            lengths: Number of characters of each word, int64 [n_words], on the CPU.

        Returns:
            float32 [n_words, n_outputs].
        """
        window = self.convolution.kernel_size[0]
        before = window // 2
        # Zeros around and between the words keep windows from seeing two of them. Of an even
        # window, the larger half is before the character
        word = torch.repeat_interleave(torch.arange(len(lengths), device="cpu"), lengths)
        start = (torch.arange(len(word), device="cpu") + before * word).to(characters.device)
        spaced = characters.new_zeros(len(word) + before * len(lengths) + window)
        spaced[start + before] = characters
        distinct, rows = torch.unique(spaced, return_inverse=True)
        table = torch.einsum("cv,ovw->wco", self.embedding(distinct), self.convolution.weight)
        steps = torch.arange(window, device=characters.device)
        seen = rows.unfold(0, window, 1)[start] + len(distinct) * steps
        sums = nn.functional.embedding_bag(seen, table.flatten(0, 1), mode="sum")
        outputs = sums + cast(Tensor, self.convolution.bias)  # [n_characters, n_outputs]
        return torch.segment_reduce(outputs, "max", lengths=lengths.to(outputs.device))


class CharBiLSTM(nn.Module):
    """Last states of a bidirectional LSTM over the characters of a word (Lample et al. 2016).

    Args:
        char_width: Width of a character's vector.
        char_hidden: Units of both directions together; an even number.
    """

    def __init__(self, char_width: int, char_hidden: int):
        super().__init__()
        self.n_outputs = char_hidden
        self.embedding = _character_table(char_width)
        self.lstm = nn.LSTM(char_width, char_hidden // 2, bidirectional=True, **FLOATS)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Compute the vectors of words.

        Args:
            characters: Ids of the characters, word by word, int64 [sum of lengths].
            lengths: Number of characters of each word, int64 [n_words], on the CPU.

        Returns:
            float32 [n_words, n_outputs].
        """
        forth, back = bilstm(self.lstm, self.embedding(characters), lengths).chunk(2, 1)
        last = (torch.cumsum(lengths, 0) - 1).to(characters.device)
        first = (last - lengths.to(last.device)) + 1
        return torch.cat([forth[last], back[first]], 1)


class SpanFeatures(nn.Module):
    """Sums of the vectors of a token's features from spans, for each key on its own.

    Args:
        n_keys: Number of keys.
        n_rows: Rows of the table.
        width: Width of a vector.
    """

    def __init__(self, n_keys: int, n_rows: int, width: int):
        super().__init__()
        self.n_outputs = n_keys * width
        self.table = _table(n_rows, width)

    def forward(self, rows: Tensor, n_features: Tensor) -> Tensor:
        """Compute vectors of tokens, float32 [n_tokens, n_outputs], from inputs as in `Words`."""
        starts = rows.shape[1] * (torch.cumsum(n_features, 0) - n_features)
        sums = nn.functional.embedding_bag(rows.flatten(), self.table.weight, starts, mode="sum")
        return sums.view(-1, self.n_outputs)


class WordEmbedding(nn.Module):
    """Fine-tuned word vectors, a character encoder and token attributes, side by side.

    Words of the training data have a row in a table that starts with their pretrained vectors. All
    other words have their pretrained vector, or share one vector if they have none.

    Args:
        word_width: Width of a word's vector.
        characters: The character encoder.
        attribute_rows: Rows of each token attribute's table.
        attribute_width: Width of an attribute's vector.
        spans: Embeds the features from spans, if any.
        n_blocks: Number of blocks of the table of words.
    """

    def __init__(
        self,
        word_width: int,
        characters: CharCNN | CharBiLSTM,
        attribute_rows: list[int],
        attribute_width: int,
        spans: SpanFeatures | None = None,
        n_blocks: int = 0,
    ):
        super().__init__()
        self.word_width = word_width
        self.characters = characters
        self.attributes = nn.ModuleList(_table(rows, attribute_width) for rows in attribute_rows)
        self.spans = spans
        self.unknown = nn.Parameter(random_vectors(1, word_width))
        self.blocks = nn.ParameterList(
            torch.zeros(BLOCK_ROWS, word_width, **FLOATS) for _ in range(n_blocks)
        )
        self.n_outputs: int = (
            word_width
            + characters.n_outputs
            + attribute_width * len(attribute_rows)
            + (spans.n_outputs if spans is not None else 0)
        )

    def set_row(self, row: int, vector: Tensor | None) -> None:
        """Initialize the row of a word, and grow the table if necessary.

        Args:
            row: The row.
            vector: The pretrained vector of the word, [word_width]; None for a random vector.
        """
        device = self.unknown.device
        while row >= BLOCK_ROWS * len(self.blocks):
            shape = (BLOCK_ROWS, self.word_width)
            block = torch.zeros(shape, device=device, dtype=torch.float32)
            self.blocks.append(nn.Parameter(block))
        if vector is None:
            vector = random_vectors(1, self.word_width)[0]
        with torch.no_grad():
            self.blocks[row // BLOCK_ROWS][row % BLOCK_ROWS] = vector.to(device)

    def forward(self, words: Words) -> Tensor:
        """Compute the vectors of tokens, float32 [n_tokens, n_outputs]."""
        of_words = self.of_words(words.rows, words.static, words.characters, words.lengths)
        tokens = [of_words[words.of_token]]
        tokens += [attribute(rows) for attribute, rows in zip(self.attributes, words.attributes.T)]
        if self.spans is not None:
            tokens.append(self.spans(words.span_rows, words.n_span_features))
        return torch.cat(tokens, -1)

    def of_words(self, rows: Tensor, static: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
        """Compute the vectors of words and of their characters, from inputs as in `Words`.

        Returns:
            float32 [n_words, word_width + characters.n_outputs].
        """
        vectors = self._vectors(rows, static)
        of_characters = vectors.new_zeros(0, self.characters.n_outputs)
        # A shared tok2vec is also trained on docs without tokens
        if len(lengths):
            of_characters = self.characters(characters, lengths)
        return torch.cat([vectors, of_characters], -1)

    def _vectors(self, rows: Tensor, static: Tensor) -> Tensor:
        """Look up the vectors of words, float32 [n_words, word_width]."""
        if rows.device.type == "cpu":
            return cast(Tensor, _Rows.apply(rows, static, self.unknown, *self.blocks))
        # One table: the unknown vector, then the pretrained ones, then the rows
        table = torch.cat([self.unknown, static, *self.blocks])
        return table[torch.where(rows >= 0, 1 + len(static) + rows, -1 - rows)]


class _Rows(torch.autograd.Function):
    """Looks up rows in the blocks of a table, without a copy of the table.

    The table may have a hundred times as many rows as a batch has words. The gradient is that of
    whole blocks: an optimizer with momentum also moves rows that the batch did not use.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, static: Tensor, unknown: Tensor, *blocks: Tensor) -> Tensor:
        """Look up the vectors of words by `Words.rows`."""
        ctx.save_for_backward(rows)
        ctx.shapes = [block.shape for block in blocks]
        vectors = unknown.expand(len(rows), -1).clone()
        pretrained = (rows < -1).nonzero()[:, 0]
        if len(pretrained):
            vectors[pretrained] = static[-2 - rows[pretrained]]
        for number, words in _by_block(rows):
            block = blocks[number]
            vectors[words] = block.index_select(0, rows[words] - number * BLOCK_ROWS)
        return vectors

    @staticmethod
    def backward(ctx: Any, d_vectors: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the unknown vector and of the blocks."""
        (rows,) = ctx.saved_tensors
        d_unknown = d_vectors[rows == -1].sum(0, keepdim=True)
        d_blocks = [d_vectors.new_zeros(shape) for shape in ctx.shapes]
        for number, words in _by_block(rows):
            d_blocks[number].index_add_(0, rows[words] - number * BLOCK_ROWS, d_vectors[words])
        return (None, None, d_unknown, *d_blocks)


def _by_block(rows: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the numbers of the blocks with some of the rows, and the indices of these rows."""
    number = rows.div(BLOCK_ROWS, rounding_mode="floor")
    for block in torch.unique(number[rows >= 0]).tolist():
        yield block, (number == block).nonzero()[:, 0]


def random_vectors(n_rows: int, width: int) -> Tensor:
    """Draw vectors uniformly from +-sqrt(3 / width) (Ma and Hovy 2016, section 3.1).

    Args:
        n_rows: Number of vectors.
        width: Width of a vector.

    Returns:
        float32 [n_rows, width], of variance 1 / width.
    """
    bound = (3.0 / width) ** 0.5
    return torch.empty(n_rows, width, **FLOATS).uniform_(-bound, bound)


def _table(rows: int, width: int) -> nn.Embedding:
    table = nn.Embedding(rows, width, **FLOATS)
    nn.init.uniform_(table.weight, -0.1, 0.1)
    return table


def _character_table(width: int) -> nn.Embedding:
    table = nn.Embedding(N_CHARACTER_ROWS, width, padding_idx=0, **FLOATS)
    with torch.no_grad():
        table.weight[1:] = random_vectors(N_CHARACTER_ROWS - 1, width)
    return table
