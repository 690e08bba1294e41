"""Clean paragraphs, tell running English from other lines, and pack paragraphs into texts."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MIN_WORDS = 20  # of a text
PACK_WORDS = 60  # a text with so many gets no further paragraph
SPLIT_WORDS = 250  # of the parts of a paragraph that is too long
MAX_WORDS = 400  # of a text

SPACES = re.compile(r"\s+")
ODD_CHARACTERS = str.maketrans(
    {
        # Invisible: word joiner, byte order mark, zero-width space and joiner, soft hyphen
        **dict.fromkeys("\u2060\ufeff\u200b\u200d\u00ad", ""),
        **dict.fromkeys("\u2010\u2011", "-"),
        "\u200a": " ",
        "\ufffd": "'",  # of what could not be decoded, most are apostrophes
        # Bytes of cp1252 that were read as Latin-1
        "\u0085": "\u2026",
        "\u0091": "'",
        "\u0092": "'",
        "\u0093": '"',
        "\u0094": '"',
        "\u0096": "\u2013",
        "\u0097": "\u2014",
    }
)
# Control characters, marks of direction, the private use area
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200c-\u200f\u202a-\u202e\u2061-\u2069\ue000-\uf8ff]"
)
# UTF-8 that was read as cp1252: its first byte as a letter, then one of the others
MOJIBAKE = re.compile("[\u00c2\u00c3\u00e2][\u0080-\u00bf\u20ac\u201a-\u2122\u0152-\u0178]")
# The end of a sentence: its mark, perhaps a closing quote, and what may begin the next
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'\u201d\u2019)]*\s+(?=[\"'\u201c\u2018(]?[A-Z0-9])")
BULLET = re.compile(r"^[*\u2022\u00b7\u2013-]\s+")
AROUND_WORDS = ".,;:!?\"'()\u201c\u201d\u2018\u2019[]"
RARE_IN_PROSE = frozenset("|\\{}<>_=~^#*@+\u25a1\u2022")
COMMON_WORDS = """
the of and to a in is that it for was on with as be by at this are or from an his her he she i you
we they not have has had but which will would their its were been our my if there all who what so do
can no me your him them when
"""
FUNCTION_WORDS = frozenset(COMMON_WORDS.split())


class Limits(NamedTuple):
    """What a line may be like to pass for prose.

    Attributes:
        capitals: The largest share of capitals among the letters.
        function_words: The smallest share of function words among 12 words or more.
    """

    capitals: float = 0.25
    function_words: float = 0.22


PROSE = Limits()
SENTENCE = Limits(0.3, 0.15)
CHAT = Limits(0.3, 0.12)


def clean(text: str) -> str:
    """Normalise a text: entities, characters that were decoded wrongly, invisible ones, spaces."""
    if MOJIBAKE.search(text):
        text = "".join(_fix_mojibake(piece) for piece in re.split(r"(\s+)", text))
    text = unicodedata.normalize("NFC", html.unescape(text)).translate(ODD_CHARACTERS)
    return SPACES.sub(" ", CONTROL.sub("", text)).strip()


def _fix_mojibake(piece: str) -> str:
    try:
        return piece.encode("cp1252").decode("utf8")
    except UnicodeError:
        return piece


def without_bullet(paragraph: str) -> str:
    """Remove the bullet or dash that a paragraph begins with."""
    return BULLET.sub("", paragraph)


def is_prose(text: str, limits: Limits = PROSE) -> bool:
    """Tell running English from tables, lists of references, code and headlines.

    Args:
        text: A text after `clean`.
        limits: What is still prose.
    """
    words = text.split()
    if len(words) < 3:
        return False
    n_letters = sum(character.isalpha() for character in text)
    n_characters = len(text) - text.count(" ")
    if n_letters / n_characters < 0.80 or not 3.0 <= n_characters / len(words) <= 8.5:
        return False
    if sum(character.isupper() for character in text) / max(n_letters, 1) > limits.capitals:
        return False
    if len(words) >= 12 and _share_of_function_words(words) < limits.function_words:
        return False
    if max(map(len, words)) > 45:
        return False
    n_rare = sum(character in RARE_IN_PROSE for character in text)
    return n_rare <= 1 + len(words) // 80


def _share_of_function_words(words: list[str]) -> float:
    return sum(word.strip(AROUND_WORDS).lower() in FUNCTION_WORDS for word in words) / len(words)


def sentences(paragraph: str) -> list[str]:
    """Split a paragraph into sentences."""
    ends = [match.end() for match in SENTENCE_END.finditer(paragraph)]
    pairs = zip([0, *ends], [*ends, len(paragraph)])
    return [paragraph[start:end].strip() for start, end in pairs]


def prose_sentences(text: str) -> str:
    """Return the sentences that are prose, of a text that has lost its paragraphs."""
    return " ".join(each for each in sentences(clean(text)) if is_prose(each, SENTENCE))


def split_long(paragraph: str) -> list[str]:
    """Split a paragraph of more than `MAX_WORDS` between sentences.

    A sentence that has more itself is left out.
    """
    if len(paragraph.split()) <= MAX_WORDS:
        return [paragraph]
    parts: list[list[str]] = [[]]
    n_words = 0
    for sentence in sentences(paragraph):
        n = len(sentence.split())
        if parts[-1] and n_words + n > SPLIT_WORDS:
            parts.append([])
            n_words = 0
        parts[-1].append(sentence)
        n_words += n
    joined = [" ".join(part) for part in parts]
    return [part for part in joined if len(part.split()) <= MAX_WORDS]


def pack(paragraphs: Iterable[str], glue: str = " ") -> Iterator[str]:
    """Join consecutive paragraphs of a document until they have `PACK_WORDS`.

    A text has `MAX_WORDS` at most.

    Args:
        paragraphs: The paragraphs.
        glue: What to put between two of them.
    """
    here: list[str] = []
    n_words = 0
    for part in (part for paragraph in paragraphs for part in split_long(paragraph)):
        n = len(part.split())
        if here and n_words + n > MAX_WORDS:
            yield glue.join(here)
            here, n_words = [], 0
        here.append(part)
        n_words += n
        if n_words >= PACK_WORDS:
            yield glue.join(here)
            here, n_words = [], 0
    if here:
        yield glue.join(here)
