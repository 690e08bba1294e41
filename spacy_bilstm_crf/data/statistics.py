"""Statistics of a corpus, by which the settings of a training are chosen."""

from collections import Counter
from collections.abc import Iterable
from pkgutil import iter_modules
from typing import NamedTuple

import spacy.lang
from spacy import util
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..pipeline import form_of, pretrained_vector
from .corpus import without_copies, words_of
from .entity_source import DOC_ENTS, EntitySource, nesting_levels, overlapping_entities

# In the English and German data sets of the project, 45 to 50 % of the words are stop words of the
# text's language, and up to 16 % are stop words of another one
STOP_WORDS_OF_TEXT = 0.2
LEAST_STOP_WORDS = 5


class Survey(NamedTuple):
    """Counts of a corpus."""

    n_docs: int
    n_sentences: int  # a doc without sentence boundaries counts as one
    n_tokens: int
    n_longest: int  # tokens of the longest doc
    n_of_label: dict[str, int]  # entities of each label
    n_inside: int  # tokens in entities
    n_outside: int  # tokens known to be outside of entities
    n_missing: int  # tokens without annotation
    n_repeated: int  # docs with the words of an earlier doc
    n_copies: int  # docs with the words and the annotation of an earlier doc
    n_recurring: int  # entities that are in the other half of the docs too, with the same label
    n_overlapping: int  # entities that share a token with another one
    n_in_same_label: int  # entities that share a token with another one of the same label
    n_of_level: dict[int, int]  # entities of each level of nesting, from 1

    @property
    def n_entities(self) -> int:
        """Number of entities of all labels."""
        return sum(self.n_of_label.values())


def survey(docs: Iterable[Doc], where: EntitySource = DOC_ENTS) -> Survey:
    """Count what is in annotated docs.

    Args:
        docs: The docs.
        where: Where the docs have their entities.
    """
    docs = list(docs)
    of_docs = [where.entities(doc) for doc in docs]
    labels = Counter(ent.label_ for entities in of_docs for ent in entities)
    half = len(docs) // 2
    first, second = _names(of_docs[:half]), _names(of_docs[half:])
    n_tokens = sum(len(doc) for doc in docs)
    n_inside = sum(len({i for ent in ents for i in range(ent.start, ent.end)}) for ents in of_docs)
    n_missing = sum(len(where.unannotated_tokens(doc)) for doc in docs)
    n_in_same_label = sum(len(overlapping_entities(ents, of_same_label=True)) for ents in of_docs)
    levels = Counter(level for ents in of_docs for level in nesting_levels(ents).values())
    return Survey(
        n_docs=len(docs),
        n_sentences=sum(_n_sentences(doc) for doc in docs),
        n_tokens=n_tokens,
        n_longest=max((len(doc) for doc in docs), default=0),
        n_of_label=dict(labels.most_common()),
        n_inside=n_inside,
        n_outside=n_tokens - n_inside - n_missing,
        n_missing=n_missing,
        n_repeated=len(docs) - len({words_of(doc) for doc in docs}),
        n_copies=len(docs) - len(without_copies(docs)),
        n_recurring=sum(first[name] + second[name] for name in first.keys() & second.keys()),
        n_overlapping=sum(len(overlapping_entities(ents)) for ents in of_docs),
        n_in_same_label=n_in_same_label,
        n_of_level=dict(levels),
    )


def _n_sentences(doc: Doc) -> int:
    return sum(1 for _ in doc.sents) if doc.has_annotation("SENT_START") else 1


def _names(of_docs: Iterable[list[Span]]) -> Counter[tuple[str, str]]:
    return Counter((ent.text.lower(), ent.label_) for entities in of_docs for ent in entities)


def n_shared(docs: Iterable[Doc], others: Iterable[Doc]) -> int:
    """Count the docs that have the same words as one of the others."""
    words = {words_of(doc) for doc in others}
    return sum(words_of(doc) in words for doc in docs)


def vectors_coverage(docs: Iterable[Doc], vocab: Vocab) -> float:
    """Return the share of the tokens that have a vector, looked up as the embedding layers do.

    Args:
        docs: The docs; white space is not counted.
        vocab: Holds the vectors.

    Returns:
        From 0 to 1.
    """
    words = Counter(token.text for doc in docs for token in doc if not token.is_space)
    known = sum(
        count
        for word, count in words.items()
        if pretrained_vector(vocab, word, form_of(word)) is not None
    )
    return known / max(words.total(), 1)


def likely_language(docs: Iterable[Doc]) -> str | None:
    """Return the code of the language whose stop words, as spaCy lists them, the docs have most of.

    Returns:
        The code; None if no language has as many stop words as running text would.
    """
    words = Counter(token.lower_ for doc in docs for token in doc if token.is_alpha)
    codes = [module.name for module in iter_modules(spacy.lang.__path__) if module.ispkg]
    counts = {
        code: sum(words[word] for word in util.get_lang_class(code).Defaults.stop_words)
        for code in codes
    }
    best = max(counts, key=lambda code: counts[code])
    enough = max(LEAST_STOP_WORDS, STOP_WORDS_OF_TEXT * sum(words.values()))
    return best if counts[best] >= enough else None
