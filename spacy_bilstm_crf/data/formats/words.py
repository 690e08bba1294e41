"""Words and the text that they make up."""

from collections.abc import Sequence
from itertools import accumulate

from spacy.util import get_words_and_spaces

from ...common.errors import UserError
from .records import Offsets


def placed(words: Sequence[str], spaces: Sequence[bool] | None = None) -> tuple[str, list[Offsets]]:
    """Return the text of words, and where each of them is.

    Args:
        words: The words.
        spaces: Whether a blank follows each of them; None if one follows all.
    """
    parts = [word + " " * (spaces is None or spaces[i]) for i, word in enumerate(words)]
    starts = list(accumulate(map(len, parts), initial=0))
    return "".join(parts), [(start, start + len(word)) for start, word in zip(starts, words)]


def align_words(text: str, words: Sequence[str]) -> tuple[list[str], list[bool], list[Offsets]]:
    """Find words in their text.

    Args:
        text: The text.
        words: Its words.

    Returns:
        The tokens of the text, which are the words and the white space between them that is not one
        blank; whether a blank follows each token; and where each word is.

    Raises:
        UserError: If they are not those of the text.
    """
    try:
        every, spaces = get_words_and_spaces(words, text)
    except ValueError as error:  # spaCy's E194
        raise UserError(f"The tokens are not those of the text {text!r:.60}.") from error
    _, places = placed(every, spaces)
    found = iter([where for word, where in zip(every, places) if not word.isspace()])
    end, offsets = 0, []
    for word in words:
        if word.isspace():  # which may be other white space in the text
            offsets.append((end, end))
        else:
            offsets.append(next(found))
            end = offsets[-1][1]
    return every, spaces, offsets
