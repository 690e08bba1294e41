"""Texts -> tokens, in a time that grows with the length of the text and no faster.

spaCy's `Tokenizer._split_affixes` takes prefixes and suffixes off a stretch without white space,
one or two at a time, and each time searches and copies all the rest of it. The time is quadratic in
the length of a stretch of symbols ("!.!.!."), and so is that of single patterns, such as the one of
URLs, for other stretches. 24,000 characters may take minutes.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

# Characters of a stretch without white space that the tokenizer sees at once. No word is so long
STRETCH = 200
_LONG_STRETCH = re.compile(rf"\S{{{STRETCH + 1},}}")
_TO_LAST_SYMBOL = re.compile(r"\S*\W")
# Other threads wait while the tokenizer works on a piece
PIECE = 4096
_WORD = re.compile(r"(?<=\s)\S")


def make_doc(nlp: Language, text: str) -> Doc:
    """Tokenize a text as `nlp.make_doc` does, but in linear time.

    Stretches of more than `STRETCH` characters without white space are cut, after a symbol where
    there is one. All other texts get the tokens that `nlp.make_doc` gives them. Pipelines with a
    tokenizer other than spaCy's `Tokenizer` are left to it.

    Args:
        nlp: The pipeline.
        text: The text.

    Raises:
        ValueError: If the text is longer than `nlp.max_length`.
    """
    if type(nlp.tokenizer) is not Tokenizer or len(text) > nlp.max_length:  # which it refuses
        return nlp.make_doc(text)
    cuts = sorted([*_cuts_in_stretches(text), *_cuts_at_words(text, nlp.tokenizer)])
    if not cuts:
        return nlp.make_doc(text)
    docs = [nlp.make_doc(text[start:end]) for start, end in pairwise([0, *cuts, len(text)])]
    # The tokenizer sets no other attribute
    return Doc.from_docs(docs, ensure_whitespace=False, attrs=["NORM"])


def _cuts_in_stretches(text: str) -> Iterator[int]:
    for stretch in _LONG_STRETCH.finditer(text):
        start, end = stretch.span()
        while end - start > STRETCH:
            symbol = _TO_LAST_SYMBOL.match(text, start, start + STRETCH)
            start = symbol.end() if symbol else start + STRETCH
            yield start


def _cuts_at_words(text: str, tokenizer: Tokenizer) -> Iterator[int]:
    """Yield a place before a word for about every `PIECE` characters."""
    if len(text) <= PIECE:
        return
    # Special cases of several words, such as the Spanish "EE. UU.", are never cut
    phrases = [rule for rule in tokenizer.rules if len(rule.split()) > 1]
    longest = max(map(len, phrases), default=0)
    cut = 0
    for word in _WORD.finditer(text):
        place = word.start()
        if place - cut >= PIECE:
            around = text[max(place - longest, 0) : place + longest]
            if not any(phrase in around for phrase in phrases):
                yield place
                cut = place
