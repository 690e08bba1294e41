"""Word vectors and character encoders in torch."""

import pytest
import torch

from spacy_bilstm_crf.models.pytorch.word_embedding import (
    BLOCK_ROWS,
    CharBiLSTM,
    CharCNN,
    WordEmbedding,
    Words,
)

ENCODERS = {
    "cnn": lambda: CharCNN(char_width=4, filters=6, window=3),
    "even cnn": lambda: CharCNN(char_width=4, filters=6, window=2),
    "bilstm": lambda: CharBiLSTM(char_width=4, char_hidden=6),
}


def words_of(characters, rows, static=(), of_token=None, attributes=None):
    lengths = torch.tensor([len(word) for word in characters])
    flat = torch.tensor([character for word in characters for character in word])
    of_token = torch.tensor(range(len(rows)) if of_token is None else of_token)
    if attributes is None:
        attributes = torch.zeros(len(of_token), 0, dtype=torch.long)
    static = torch.tensor(static, dtype=torch.float32).reshape(-1, 3)
    return Words(torch.tensor(rows), static, flat, lengths, of_token, attributes)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_word_does_not_depend_on_its_batch(kind):
    encoder = ENCODERS[kind]()
    words = words_of([[5], [7, 8, 9], [1, 2, 3, 4, 5, 6, 7]], [-1, -1, -1])
    together = encoder(words.characters, words.lengths)
    assert together.shape == (3, 6)
    for row, word in enumerate([[5], [7, 8, 9], [1, 2, 3, 4, 5, 6, 7]]):
        alone = encoder(torch.tensor(word), torch.tensor([len(word)]))
        torch.testing.assert_close(alone[0], together[row])


@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_the_cnn_is_torchs_convolution_and_its_maximum(window):
    encoder = CharCNN(char_width=4, filters=6, window=window)
    words = words_of([[5], [7, 8, 9, 7], [1, 2, 3]], [-1, -1, -1])
    weight = torch.randn(3, 6)

    def by_torch():
        for word in words.characters.split(words.lengths.tolist()):
            places = encoder.convolution(encoder.embedding(word).T[None])[0, :, : len(word)]
            yield places.amax(1)

    results = []
    for compute in (
        lambda: torch.stack(list(by_torch())),
        lambda: encoder(words.characters, words.lengths),
    ):
        encoder.zero_grad()
        vectors = compute()
        (vectors * weight).sum().backward()
        results.append([vectors, *(param.grad for param in encoder.parameters())])
    torch.testing.assert_close(results[1], results[0])


def test_the_bilstm_takes_the_last_state_of_each_direction():
    encoder = ENCODERS["bilstm"]()
    found = encoder(torch.tensor([5, 7, 8, 9]), torch.tensor([1, 3]))
    for row, word in enumerate([[5], [7, 8, 9]]):
        _, (last, _) = encoder.lstm(encoder.embedding(torch.tensor(word)))
        torch.testing.assert_close(found[row], last.flatten())


def test_rows_static_vectors_and_the_unknown_word():
    network = WordEmbedding(3, ENCODERS["cnn"](), [5], 2)
    network.set_row(0, torch.tensor([1.0, 2.0, 3.0]))
    words = words_of(
        [[1], [2], [3]],
        rows=[-1, 0, -2],
        static=[[7.0, 8.0, 9.0]],
        of_token=[1, 0, 2, 1],
        attributes=torch.tensor([[4], [0], [1], [2]]),
    )
    tokens = network(words)
    assert tokens.shape == (4, network.n_outputs) == (4, 3 + 6 + 2)
    assert tokens[0, :3].tolist() == tokens[3, :3].tolist() == [1.0, 2.0, 3.0]
    torch.testing.assert_close(tokens[1, :3], network.unknown[0])
    assert tokens[2, :3].tolist() == [7.0, 8.0, 9.0]
    torch.testing.assert_close(tokens[0, -2:], network.attributes[0].weight[4])


def test_the_table_grows_by_new_parameters():
    network = WordEmbedding(3, ENCODERS["cnn"](), [], 2)
    network.set_row(0, torch.ones(3))
    first = network.blocks[0]
    network.set_row(BLOCK_ROWS, None)
    assert network.blocks[0] is first
    assert [name for name, _ in network.named_parameters() if "blocks" in name] == [
        "blocks.0",
        "blocks.1",
    ]
    words = words_of([[1], [2]], rows=[0, BLOCK_ROWS])
    vectors = network(words)[:, :3]
    assert vectors[0].tolist() == [1.0] * 3
    assert vectors[1].abs().max() <= 1.0  # drawn from [-sqrt(3 / width), sqrt(3 / width)]
    assert vectors[1].any()


def test_rows_and_their_gradients_are_those_of_one_table():
    network = WordEmbedding(3, ENCODERS["cnn"](), [], 2)
    for row in (0, BLOCK_ROWS - 1, BLOCK_ROWS, 3 * BLOCK_ROWS + 5):
        network.set_row(row, torch.full((3,), float(row)))
    rows = [3 * BLOCK_ROWS + 5, -1, 0, -3, BLOCK_ROWS, -2, BLOCK_ROWS - 1, 0, -1]
    static = [[7.0, 8.0, 9.0], [4.0, 5.0, 6.0]]
    places = torch.tensor([row if row >= 0 else 4 * BLOCK_ROWS - 1 - row for row in rows])
    parameters = [*network.blocks, network.unknown]  # the third block is not used
    table = torch.cat([*parameters, torch.tensor(static)])
    weights = torch.arange(1.0, len(rows) + 1.0)[:, None] * torch.tensor([1.0, -2.0, 0.5])
    expected = torch.autograd.grad((weights * table[places]).sum(), parameters)

    vectors = network(words_of([[1]] * len(rows), rows, static))[:, :3]
    assert torch.equal(vectors, table[places])
    found = torch.autograd.grad((weights * vectors).sum(), parameters)
    assert all(map(torch.equal, found, expected))
    with torch.no_grad():
        assert torch.equal(network(words_of([[1]] * len(rows), rows, static))[:, :3], vectors)
