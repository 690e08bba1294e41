"""Where the characters of a doc are in the text that it was made of."""

from bisect import bisect_left


class OffsetMapping:
    """Turns offsets in a doc's text into offsets in the text that was given.

    The two differ where a tokenizer changes white space, as spaCy's for Korean does.

    Args:
        doc_text: The text of the doc.
        given: The text that was given.

    Raises:
        ValueError: If more than white space is different.
    """

    def __init__(self, doc_text: str, given: str) -> None:
        self._is_same = doc_text == given
        if self._is_same:
            return
        self._of_doc, self._of_given = _letters(doc_text), _letters(given)
        if [doc_text[i] for i in self._of_doc] != [given[i] for i in self._of_given]:
            raise ValueError(
                f"The tokenizer changed the text, so that entities have no place in it: it made "
                f"{doc_text[:50]!r} of {given[:50]!r}."
            )

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return first character and end of a span in the text that was given.

        Args:
            start: First character of the span in the doc's text.
            end: Its end there.

        Raises:
            ValueError: If the span is white space, which may not be in the text.
        """
        if self._is_same:
            return start, end
        first, last = bisect_left(self._of_doc, start), bisect_left(self._of_doc, end)
        if first == last:
            raise ValueError("An entity is white space that the tokenizer changed.")
        return self._of_given[first], self._of_given[last - 1] + 1


def _letters(text: str) -> list[int]:
    """Return the places of characters that are not white space."""
    return [i for i, character in enumerate(text) if not character.isspace()]
