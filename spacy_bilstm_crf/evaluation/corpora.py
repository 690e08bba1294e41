"""What is asked of docs in more than one place."""

from spacy.tokens import Doc


def words_of(doc: Doc) -> str:
    """A doc's words, for comparing docs whatever their annotation and white space."""
    return " ".join(token.text for token in doc if not token.is_space)
