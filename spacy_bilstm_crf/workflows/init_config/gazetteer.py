"""What lists of names say of the training data."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc

from ...common.errors import UserError
from ...data.patterns import Pattern, read_patterns

# The component that finds them, and the key of `doc.spans` that it sets
GAZETTEER = "gazetteer"


# Attributes of tokens that a tagger, parser or lemmatizer sets
OF_OTHERS = {"TAG", "POS", "MORPH", "LEMMA", "DEP"}


def facts_of_lists(path: str, docs: Sequence[Doc]) -> str:
    """How much of the annotation the lists have, word for word.

    Raises:
        UserError: If there is no such file, or it has no patterns.
    """
    try:
        patterns: list[Pattern] = read_patterns(path)
    except ValueError as error:
        raise UserError(str(error)) from error
    for number, pattern in enumerate(patterns, 1):
        asked = _asked_of_others(pattern["pattern"])
        if asked:
            raise UserError(
                f"Entry {number} of {path} asks for {', '.join(asked)}, which no component of the "
                f"pipeline sets: words and their shapes are known (TEXT, LOWER, SHAPE, IS_TITLE)."
            )
    names = {pattern["pattern"] for pattern in patterns if isinstance(pattern["pattern"], str)}
    entities = [ent.text for doc in docs for ent in doc.ents]
    share = sum(text in names for text in entities) / len(entities)
    labels = sorted({pattern["label"] for pattern in patterns})
    return (
        f"{path}: {len(patterns):,} patterns with the labels {', '.join(labels)}. {share:.0%} of "
        f"the training data's entities are in them word for word."
    )


def _asked_of_others(pattern: Any) -> list[str]:
    """Attributes that a pattern of tokens asks for, and words alone do not have."""
    if isinstance(pattern, str):
        return []
    return sorted({key.upper() for token in pattern for key in token} & OF_OTHERS)
