"""From docs to the distinct words of a batch, as the inputs of a word embedding."""

import re
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.compat import torch

from .characters import characters_of
from .span_features import check_groups, rows_of_spans
from .token_attributes import DIGIT, rows_of_tokens
from .torch_layer import draw

if TYPE_CHECKING:
    from .char_word_embedding import CharWordEmbedding
    from .pytorch.word_embedding import Words

PUNCTUATION = re.compile(r"[\W_]+")
# How often a word that occurs once in training counts as unknown (Lample et al. 2016, section 4.1)
SINGLETON_DROPOUT = 0.5


class WordCounts(NamedTuple):
    """What a layer knows about words besides its weights; saved with the layer.

    Attributes:
        words: Number of occurrences of each word, in the order of the table's rows.
        docs: Hashes of the docs that were counted.
    """

    words: dict[str, int]
    docs: list[int]


def words_of_docs(
    network: "CharWordEmbedding", counts: WordCounts, docs: list[Doc], is_train: bool
) -> "Words":
    """Collect the distinct words of docs, to embed each of them once.

    Args:
        network: The network. In training, new words get a row in its table.
        counts: Words that have a row in the table. In training, new words are added.
        docs: The docs.
        is_train: Whether to learn words, and to treat some of the rare ones as unknown.

    Returns:
        The inputs of the network.
    """
    from .pytorch.word_embedding import Words

    settings = network.settings
    vocab = docs[0].vocab
    orths = np.concatenate([doc.to_array("ORTH") for doc in docs])
    distinct, of_token = np.unique(orths, return_inverse=True)
    texts = [vocab.strings[int(orth)] for orth in distinct]
    forms = [form_of(text, settings["lower"], settings["zero_digits"]) for text in texts]
    if is_train:
        _learn_words(network, counts, vocab, docs, texts, forms, of_token)
    inputs = inputs_of_words(network, counts, vocab, texts, forms, is_train)
    keys, dropout = settings["span_features"], settings["span_dropout"] if is_train else 0.0
    if is_train or counts.words:  # but not during initialization
        check_groups(keys, docs)
    spans = rows_of_spans(keys, docs, dropout)
    return Words(
        *inputs,
        of_token=torch.from_numpy(of_token.astype(np.int64)),
        attributes=torch.from_numpy(rows_of_tokens(settings["attrs"], docs, texts, of_token)),
        span_rows=torch.from_numpy(spans.rows),
        n_span_features=torch.from_numpy(spans.n_features),
    )


def inputs_of_words(
    network: "CharWordEmbedding",
    counts: WordCounts,
    vocab: Vocab,
    texts: list[str],
    forms: list[str],
    is_train: bool = False,
) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]":
    """Return the inputs of a network for words, apart from their attributes.

    Args:
        network: The network.
        counts: Words that have a row in the table.
        vocab: Has the pretrained vectors.
        texts: The words.
        forms: Their forms, by `form_of`.
        is_train: Whether to treat some of the rare words as unknown.

    Returns:
        The first tensors of `Words`: rows, static, characters and lengths.
    """
    row_of = _rows(network, counts.words)
    rows: list[int] = []
    static: list[np.ndarray] = []
    for text, form in zip(texts, forms):
        row = row_of.get(form, -1)
        if is_train and row >= 0 and counts.words[form] == 1 and draw() < SINGLETON_DROPOUT:
            row = -1  # as if it were unknown
        if row < 0:
            vector = pretrained_vector(vocab, text, form)
            if vector is not None:
                row = -2 - len(static)
                static.append(vector)
        rows.append(row)
    characters = [characters_of(text, network.settings["max_chars"]) for text in texts]
    lengths = [len(word) for word in characters]

    def integers(values: Iterable[int]) -> "torch.Tensor":
        return torch.tensor(list(values), dtype=torch.long, device="cpu")

    return (
        integers(rows),
        torch.from_numpy(np.array(static, dtype=np.float32).reshape(-1, network.word_width)),
        integers(chain.from_iterable(characters)),
        integers(lengths),
    )


def _learn_words(
    network: "CharWordEmbedding",
    counts: WordCounts,
    vocab: Vocab,
    docs: list[Doc],
    texts: list[str],
    forms: list[str],
    of_token: np.ndarray,
) -> None:
    """Give new words a row, and count the words of docs that were not counted before."""
    for text, form in zip(texts, forms):
        if form not in counts.words:
            vector = pretrained_vector(vocab, text, form)
            row = len(counts.words)
            network.set_row(row, None if vector is None else torch.from_numpy(vector))
            counts.words[form] = 0
    if len(network.counted_docs) != len(counts.docs):
        network.counted_docs = set(counts.docs)
    start = 0
    for doc in docs:
        words = of_token[start : start + len(doc)].tolist()
        start += len(doc)
        key = _hash(doc)
        if key not in network.counted_docs:
            network.counted_docs.add(key)
            counts.docs.append(key)
            for word in words:
                counts.words[forms[word]] += 1


def _hash(doc: Doc) -> int:
    """Hash the words of a doc, the same in every process, unlike Python's own hash."""
    words = doc.to_array("ORTH").tobytes()
    return int.from_bytes(blake2b(words, digest_size=8).digest(), "big")


def _rows(network: "CharWordEmbedding", counts: dict[str, int]) -> dict[str, int]:
    """Return the row of each word; updated only when there are new words."""
    if len(network.row_of) != len(counts):
        network.row_of = {form: row for row, form in enumerate(counts)}
    return network.row_of


def form_of(text: str, lower: bool = True, zero_digits: bool = True) -> str:
    """Return the form of a word to look up in the table of words.

    Args:
        text: The word.
        lower: Whether to lower-case it.
        zero_digits: Whether to replace all digits with 0.
    """
    if lower:
        text = text.lower()
    return DIGIT.sub("0", text) if zero_digits else text


def pretrained_vector(vocab: Vocab, text: str, form: str) -> np.ndarray | None:
    """Return the pretrained vector of a word, or of something close to it.

    Looks up the word as it is written, in lower case, and its form. Vectors may come from other
    tokens, so next come the word without punctuation ("u.s." as "us") and the mean of what stands
    between the punctuation ("anglo-swiss").

    Args:
        vocab: Has the vectors.
        text: The word.
        form: The form of `form_of`.

    Returns:
        float32 [width]; None if nothing is found.
    """
    if not vocab.vectors_length:
        return None
    for candidate in (text, text.lower(), form):
        if vocab.has_vector(candidate):
            return _vector(vocab, candidate)
    words = [word for word in PUNCTUATION.split(text.lower()) if word]
    joined = "".join(words)
    if vocab.has_vector(joined):
        return _vector(vocab, joined)
    known = [_vector(vocab, word) for word in words if vocab.has_vector(word)]
    return np.mean(known, axis=0) if known else None


def _vector(vocab: Vocab, word: str) -> np.ndarray:
    vector = vocab.get_vector(word)
    return np.asarray(vector.get() if hasattr(vector, "get") else vector, dtype=np.float32)
