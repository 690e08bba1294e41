"""Prediction of token vectors: what depends on a word alone is computed once and kept."""

from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats2d

from .span_features import check_groups, rows_of_spans
from .token_attributes import CASING, CASINGS, casing_of, rows_of_tokens
from .torch_layer import rows_of_docs

# Words whose vectors are kept, at some 700 bytes each. When there are more, it begins anew
MOST_WORDS = 1 << 15


class EmbedSettings(NamedTuple):
    """How an embedding reads tokens.

    Attributes:
        lower: Whether words are looked up in lower case.
        zero_digits: Whether all digits are read as 0.
        attrs: Attributes that are embedded.
        max_chars: Maximum number of characters read per word.
        span_features: Keys of `doc.spans` that are embedded.
    """

    lower: bool
    zero_digits: bool
    attrs: Sequence[str]
    max_chars: int
    span_features: Sequence[str]

    @property
    def n_of_words(self) -> int:
        """Number of attributes, the first ones, that depend on the text of a word alone."""
        return int(CASING in self.attrs)  # tables of lookups may change


class Embedding(Protocol):
    """What an embedding has learned."""

    n_of_word: int  # width of the vectors of words and characters together
    spans: np.ndarray | None  # table of the features of spans, float32 [n_rows, width]

    @property
    def attributes(self) -> Sequence[np.ndarray]:
        """A table for each attribute, float32 [n_rows, width]."""

    def vectors_of_words(self, vocab: Vocab, texts: list[str]) -> np.ndarray:
        """Compute the vectors of words and of their characters, float32 [n_words, n_of_word]."""


class _KnownWords:
    """Vectors of words that were seen. Threads may add words and read at the same time.

    Args:
        source: What the vectors come from, besides the words.
        width: Width of a vector.
        n_rows: Number of words that there is room for.
    """

    def __init__(self, source: tuple, width: int, n_rows: int):
        self.source = source
        self.row_of: dict[int, int] = {}  # by the hash of the word
        # Rows take memory when they are written to. They never move, as a thread may write to one
        self.table = np.empty((n_rows, width), dtype=np.float32)
        self.free = count()

    def add(self, orths: list[int], vectors: np.ndarray) -> bool:
        """Add words, float32 [n_words, width], and tell whether there was room for them."""
        rows = list(islice(self.free, len(orths)))  # which no other thread gets
        if rows[-1] >= len(self.table):
            return False
        self.table[rows] = vectors
        self.row_of.update(zip(orths, rows))  # last, since others look here first
        return True


class WordCache:
    """Keeps the vectors of words from one prediction to the next. A copy of it is empty."""

    def __init__(self) -> None:
        self.known: _KnownWords | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"known": None}

    def look_up(
        self,
        docs: list[Doc],
        version: Any,
        width: int,
        compute: Callable[[Vocab, list[str]], np.ndarray],
    ) -> np.ndarray:
        """Return the vectors of tokens.

        Args:
            docs: The docs, at least one.
            version: Tells the weights that `compute` uses from others.
            width: Width of a vector.
            compute: Computes the vectors of words, float32 [n_words, width].

        Returns:
            float32 [n_tokens, width].
        """
        vocab = docs[0].vocab
        orths = [orth for doc in docs for orth in doc.to_array("ORTH").tolist()]
        # Other objects are another source. Keys may be added to the vectors
        source = (vocab.vectors, vocab.vectors.n_keys, version)
        known = self.known
        if known is None or known.source != source:
            known = self.known = _KnownWords(source, width, MOST_WORDS)
        new = list({orth for orth in orths if orth not in known.row_of})
        if new and not known.add(new, compute(vocab, [vocab.strings[orth] for orth in new])):
            new = list(set(orths))
            known = _KnownWords(source, width, max(MOST_WORDS, len(new)))
            known.add(new, compute(vocab, [vocab.strings[orth] for orth in new]))
            self.known = known
        return known.table[[known.row_of[orth] for orth in orths]]


def embedded(
    embedding: Embedding,
    settings: EmbedSettings,
    cache: WordCache,
    version: Any,
    docs: list[Doc],
) -> list[Floats2d]:
    """Compute the vectors of tokens on the CPU.

    Args:
        embedding: What was learned.
        settings: How tokens are read.
        cache: Vectors of words that were seen.
        version: Tells the present weights from others.
        docs: The docs.

    Returns:
        For each doc, float32 [n_tokens, width]: the vectors of the word, its characters, its
        attributes and the spans that it is in.
    """
    if not docs:
        return []
    n_of_words = settings.n_of_words
    casings = embedding.attributes[:n_of_words]

    def compute(vocab: Vocab, texts: list[str]) -> np.ndarray:
        vectors = embedding.vectors_of_words(vocab, texts)
        rows = [CASINGS.index(casing_of(text)) for text in texts]
        return np.concatenate([vectors, *(table[rows] for table in casings)], axis=1)

    width = embedding.n_of_word + sum(table.shape[1] for table in casings)
    parts = [cache.look_up(docs, version, width, compute)]
    of_tokens = settings.attrs[n_of_words:]
    if of_tokens:
        orths = np.concatenate([doc.to_array("ORTH") for doc in docs])
        distinct, of_token = np.unique(orths, return_inverse=True)
        texts = [docs[0].vocab.strings[int(orth)] for orth in distinct]
        columns = rows_of_tokens(of_tokens, docs, texts, of_token)
        tables = embedding.attributes[n_of_words:]
        parts += [table[rows] for table, rows in zip(tables, columns.T)]
    if embedding.spans is not None:
        check_groups(settings.span_features, docs)
        parts.append(_of_spans(embedding.spans, settings.span_features, docs))
    flat: Any = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return rows_of_docs(cast(Floats2d, flat), [len(doc) for doc in docs])


def _of_spans(table: np.ndarray, keys: Sequence[str], docs: list[Doc]) -> np.ndarray:
    """Sum the vectors of each token's features from spans, float32 [n_tokens, width]."""
    features = rows_of_spans(keys, docs, dropout=0.0)
    sums = np.zeros((len(features.n_features), table.shape[1]), dtype=np.float32)
    of_feature = np.repeat(np.arange(len(sums)), features.n_features)
    np.add.at(sums, of_feature, table[features.rows].sum(axis=1))
    return sums.reshape(-1, len(keys) * table.shape[1])
