"""How many of a corpus' words the pipeline's vectors know."""

from collections import Counter
from collections.abc import Iterable

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..models.word_features import form_of, pretrained_vector


def vectors_coverage(docs: Iterable[Doc], vocab: Vocab) -> float:
    """The share of the tokens that have a vector, looked up as the embedding layers do.

    Args:
        docs: The docs; white space is not counted.
        vocab: Has the vectors.

    Returns:
        From 0 to 1.
    """
    words = Counter(token.text for doc in docs for token in doc if not token.is_space)
    known = sum(
        count
        for word, count in words.items()
        if pretrained_vector(vocab, word, form_of(word)) is not None
    )
    return known / max(sum(words.values()), 1)
