"""From words to the ids of their characters."""

# Characters with a row of their own; all others share the same number of rows
N_DIRECT_CHARACTERS = 1024


def characters_of(text: str, max_chars: int) -> list[int]:
    """Return the ids of a word's characters, from 1. Every Unicode character has an id.

    Args:
        text: The word.
        max_chars: Maximum number of characters; a longer word loses its middle.
    """
    if len(text) > max_chars:
        half = max_chars // 2
        text = text[:half] + text[half - max_chars :]
    codes = map(ord, text or " ")
    return [
        1
        + (code if code < N_DIRECT_CHARACTERS else N_DIRECT_CHARACTERS + code % N_DIRECT_CHARACTERS)
        for code in codes
    ]
