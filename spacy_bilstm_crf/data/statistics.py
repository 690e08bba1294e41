"""What a corpus holds: the counts that the settings of a training are chosen by."""

from collections import Counter
from collections.abc import Iterable
from pkgutil import iter_modules
from typing import NamedTuple

import spacy.lang
from spacy import util
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc

from .corpus import words_of

MISSING, INSIDE, OUTSIDE, BEGIN = range(4)  # values of ENT_IOB
# Of the words of running text, 45 to 50 % are stop words of its language and up to 16 % those of
# another (the English and German data sets of the project)
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
    n_outside: int  # tokens known to be in none
    n_missing: int  # tokens of which nothing is known
    n_repeated: int  # docs whose words are those of an earlier doc
    n_recurring: int  # entities that are in the other half of the docs too, with the same label

    @property
    def n_entities(self) -> int:
        """Entities of all labels."""
        return sum(self.n_of_label.values())


def survey(docs: Iterable[Doc]) -> Survey:
    """Count what is in the docs."""
    n_docs = n_sentences = n_tokens = n_longest = n_repeated = 0
    labels: Counter = Counter()
    of_iob: Counter = Counter()
    seen = set()
    entities = []  # of each doc
    for doc in docs:
        n_docs += 1
        n_sentences += sum(1 for _ in doc.sents) if doc.has_annotation("SENT_START") else 1
        n_tokens += len(doc)
        n_longest = max(n_longest, len(doc))
        labels.update(ent.label_ for ent in doc.ents)
        entities.append([(ent.text.lower(), ent.label_) for ent in doc.ents])
        of_iob.update(doc.to_array(ENT_IOB).tolist())
        words = words_of(doc)
        n_repeated += words in seen
        seen.add(words)
    return Survey(
        n_docs,
        n_sentences,
        n_tokens,
        n_longest,
        dict(labels.most_common()),
        of_iob[INSIDE] + of_iob[BEGIN],
        of_iob[OUTSIDE],
        of_iob[MISSING],
        n_repeated,
        _n_recurring(entities[: n_docs // 2], entities[n_docs // 2 :]),
    )


def _n_recurring(*halves: list[list[tuple[str, str]]]) -> int:
    """How many entities of each half, doc by doc, the other has too."""
    first, second = ([entity for doc in half for entity in doc] for half in halves)
    in_first, in_second = set(first), set(second)
    return sum(one in in_second for one in first) + sum(one in in_first for one in second)


def n_shared(docs: Iterable[Doc], others: Iterable[Doc]) -> int:
    """How many of the docs have the same words as one of the others."""
    words = {words_of(doc) for doc in others}
    return sum(words_of(doc) in words for doc in docs)


def likely_language(docs: Iterable[Doc]) -> str | None:
    """The language most of whose stop words, as spaCy lists them, are in the docs.

    Returns:
        Its code. None where no language has its share of running text.
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
