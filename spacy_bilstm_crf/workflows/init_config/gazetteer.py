"""Lists of names, compared with the training data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ...common.errors import UserError, reported_errors
from ...data.entity_source import EntitySource
from ...data.patterns import Pattern, read_patterns

# Name of the component that finds the names, and key of the spans that it sets
GAZETTEER = "gazetteer"

# Attributes of tokens that a tagger, parser or lemmatizer sets
UNKNOWN_ATTRIBUTES = {"TAG", "POS", "MORPH", "LEMMA", "DEP"}


def gazetteer_fact(path: str | Path, docs: Sequence[Doc], where: EntitySource) -> str:
    """Say how many of the annotated entities are in the lists, word for word.

    Args:
        path: The file of the lists.
        docs: The training data.
        where: Where they have their entities.

    Raises:
        UserError: If there is no such file, it has no patterns, one can't match, or the entities
            are where the matches will be.
    """
    if where.spans_key == GAZETTEER:
        raise UserError(
            f"--spans-key {GAZETTEER}: the matches of --patterns are there. Give the entities "
            f"another key."
        )
    with reported_errors():
        patterns: list[Pattern] = read_patterns(path)
    for number, pattern in enumerate(patterns, 1):
        unknown = _unknown_attributes(pattern["pattern"])
        if unknown:
            raise UserError(
                f"Entry {number} of {path} uses {', '.join(unknown)}, which no component of the "
                f"pipeline sets. Use attributes of words, such as TEXT, LOWER, SHAPE or IS_TITLE."
            )
    names = {pattern["pattern"] for pattern in patterns if isinstance(pattern["pattern"], str)}
    entities = [ent.text for doc in docs for ent in where.entities(doc)]
    share = sum(text in names for text in entities) / len(entities)
    labels = sorted({pattern["label"] for pattern in patterns})
    return (
        f"{path}: {len(patterns):,} patterns with the labels {', '.join(labels)}. {share:.0%} of "
        f"the training data's entities are in them word for word."
    )


def _unknown_attributes(pattern: Any) -> list[str]:
    """Return the attributes that a pattern asks for and no component sets."""
    if isinstance(pattern, str):
        return []
    return sorted({key.upper() for token in pattern for key in token} & UNKNOWN_ATTRIBUTES)
