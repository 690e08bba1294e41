"""Which words a model knows: those that it was trained on, and those with a pretrained vector."""

from collections.abc import Collection, Iterator
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from .onnx_embed import EXPORTED_EMBED
from .word_features import form_of, pretrained_vector


def count_unknown_words(model: Model, docs: list[Doc]) -> list[int] | None:
    """Count the tokens of docs whose words a model does not know.

    A word is known if an embedding of this package has a vector of its own for it: from training,
    or from the pretrained vectors, as they are looked up in prediction. An exported model knows
    the same words.

    Args:
        model: The model. It may have any layers.
        docs: The docs.

    Returns:
        The number for each doc, without white space; None if the model has no such embedding, or it
        is not trained.
    """
    tables = list(_tables(model))
    if not tables:
        return None
    known: dict[int, bool] = {}
    counts = []
    for doc in docs:
        words = [token for token in doc if not token.is_space]
        for token in words:
            if token.orth not in known:
                known[token.orth] = _is_known(token.text, doc.vocab, tables)
        counts.append(sum(not known[token.orth] for token in words))
    return counts


def _tables(model: Model) -> Iterator[tuple[Collection[str], bool, bool]]:
    """Yield the words that each embedding was trained on, and how it looks them up."""
    for node in model.walk():
        words: Any = node.attrs.get("counts")
        if node.name == EXPORTED_EMBED and node.shims[0]._model is not None:
            words = node.shims[0]._model.row_of
        if words:
            yield words, node.attrs["lower"].value, node.attrs["zero_digits"].value


def _is_known(word: str, vocab: Vocab, tables: list[tuple[Collection[str], bool, bool]]) -> bool:
    for words, lower, zero_digits in tables:
        form = form_of(word, lower, zero_digits)
        if form in words or pretrained_vector(vocab, word, form) is not None:
            return True
    return False
