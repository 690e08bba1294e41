"""Groups of entities, each scored by itself: by label, length, novelty, case, source, overlap.

Precision is over the predicted entities of a group, recall over the gold ones. Slices that the user
names take their values from `doc.user_data` or from an extension of docs or spans.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc, Span

from ...data.entity_source import DOC_ENTS, EntitySource
from .mentions import Compared, Mention, Values
from .metrics import FOUND, GOLD, PREDICTED, RIGHT, Counts

MOST_VALUES = 30  # of a slice; rarer ones are put together
LONGEST_VALUE = 60  # characters
RARE_VALUES = "(other)"
NO_VALUE = "(none)"
LONG = 5  # tokens
ALL = ("", "")  # the group of all entities
LABEL, LENGTH, CASE, SOURCE = "label", "length in tokens", "case", "source"
NOVELTY = "in the training data"
# Of entities that may overlap, whether they share a token with another one: in the annotation if
# they are in it, or else in what was found
OVERLAP, NESTING = "overlaps another entity", "overlaps another entity of its label"
Group = tuple[str, str]  # a slice's name, a value

Seen = dict[str, set[str]]  # lower-cased texts, and their labels in the training data


def seen_entities(docs: Iterable[Doc], where: EntitySource = DOC_ENTS) -> Seen:
    """Collect the entities of the training data: their lower-cased texts and the labels of each.

    Args:
        docs: The training data.
        where: Where they have their entities.
    """
    found: Seen = {}
    for doc in docs:
        for ent in where.entities(doc):
            found.setdefault(_normal(ent.text), set()).add(ent.label_)
    return found


def _normal(text: str) -> str:
    return " ".join(text.lower().split())


def groups_of(mention: Mention, doc: Compared, seen: Seen | None) -> list[Group]:
    """Return all groups that an entity belongs to."""
    n_tokens = mention.end - mention.start
    found = [
        ALL,
        (LABEL, mention.label),
        (LENGTH, str(n_tokens) if n_tokens < LONG else f"{LONG} or more"),
        (CASE, case_of(mention.text)),
    ]
    if seen is not None:
        found.append((NOVELTY, _novelty(mention, seen)))
    if doc.source:
        found.append((SOURCE, doc.source))
    if mention.shares_with is not None:
        found.append((OVERLAP, "yes" if mention.shares_with else "no"))
        found.append((NESTING, "yes" if mention.label in mention.shares_with else "no"))
    # The user may name a slice as one of ours is called, such as "source"
    taken = (LABEL, LENGTH, CASE, NOVELTY, SOURCE, OVERLAP, NESTING)
    named = [(f"{name} (--slice)" if name in taken else name, v) for name, v in mention.values]
    return [*found, *named]


def case_of(text: str) -> str:
    """Classify a text by its use of upper and lower case."""
    if not any(character.isalpha() for character in text):
        return "no letters"
    if text.isupper():
        return "UPPER"
    if text.islower():
        return "lower"
    return "Title" if text.istitle() else "miXed"


def _novelty(mention: Mention, seen: Seen) -> str:
    labels = seen.get(_normal(mention.text))
    if labels is None:
        return "unseen"
    return "seen" if mention.label in labels else "seen with another label"


def count_by_group(docs: Sequence[Compared], seen: Seen | None) -> tuple[list[Group], Counts]:
    """Count entities in each doc and group.

    Args:
        docs: Gold and predicted entities.
        seen: The entities of the training data, if they are known.

    Returns:
        The groups, all entities first, and their counts. Shape (docs, groups, 4).
    """
    rows: list[tuple[int, Group, int]] = []
    for place, doc in enumerate(docs):
        left = Counter(mention.key for mention in doc.gold)
        of_gold = {mention.key: mention.shares_with for mention in doc.gold}
        for mention in doc.predicted:
            is_right = left[mention.key] > 0
            left[mention.key] -= is_right
            if is_right and mention.shares_with is not None:
                # Both sides of what is right belong to the same groups
                mention = mention._replace(shares_with=of_gold[mention.key])
            for group in groups_of(mention, doc, seen):
                rows.append((place, group, PREDICTED))
                if is_right:
                    rows.append((place, group, RIGHT))
        for mention in doc.gold:
            for group in groups_of(mention, doc, seen):
                rows.append((place, group, GOLD))
                if left[mention.key] <= 0:
                    rows.append((place, group, FOUND))
    return _table(rows, len(docs))


def _table(rows: Sequence[tuple[int, Group, int]], n_docs: int) -> tuple[list[Group], Counts]:
    sizes = Counter(group for _, group, what in rows if what in (GOLD, PREDICTED))
    kept = _most_frequent(sizes)

    def order(group: Group) -> tuple:
        """Lengths by value, others by size, rare values last."""
        name, value = group
        size = 0 if name == LENGTH else -sizes[group]
        return name, value == RARE_VALUES, size, value

    groups = [ALL, *sorted(set(kept.values()) - {ALL}, key=order)]
    places = {group: place for place, group in enumerate(groups)}
    counts = np.zeros((n_docs, len(groups), 4), dtype=np.int32)
    for doc, group, what in rows:
        counts[doc, places[kept[group]], what] += 1
    return groups, counts


def _most_frequent(sizes: dict[Group, int]) -> dict[Group, Group]:
    """Map rare values of a slice with too many to one group, and all others to themselves."""
    of_slice: dict[str, list[Group]] = {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], group)):
        of_slice.setdefault(group[0], []).append(group)
    return {
        group: group if place < MOST_VALUES or name == LABEL else (name, RARE_VALUES)
        for name, groups in of_slice.items()
        for place, group in enumerate(groups)
    }


class NamedSlices:
    """Look up values of entities by the names that a user gave.

    A name is looked up in `doc.user_data`, among extensions of docs and among those of spans. Docs
    keep the values of extensions in their user data, so the extensions need not be registered.

    Args:
        names: The names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.met: set[str] = set()  # names that had a value

    def __call__(self, ent: Span, doc: Doc) -> Values:
        """Return the values of an entity, gold or predicted, given the gold doc."""
        found = {}
        for name in self.names:
            value = self._value(name, ent, doc)
            if value is not None:
                self.met.add(name)
            found[name] = NO_VALUE if value is None else str(value)[:LONGEST_VALUE]
        return tuple(found.items())

    @staticmethod
    def _value(name: str, ent: Span, doc: Doc) -> Any:
        user_data = cast(dict[Any, Any], doc.user_data)  # its keys are not all strings
        of_span = ("._.", name, ent.start_char, ent.end_char)
        for key in (name, of_span, ("._.", name, None, None)):
            if user_data.get(key) is not None:
                return user_data[key]
        for owner in (doc, ent):
            if owner.has_extension(name) and not callable(owner._.get(name)):
                return owner._.get(name)
        return None


def known_names(docs: Iterable[Doc]) -> list[str]:
    """Return the names under which docs have values in their user data."""
    found = set()
    for doc in docs:
        for key in doc.user_data:
            is_extension = isinstance(key, tuple) and len(key) == 4 and key[0] == "._."
            found.add(str(key[1]) if is_extension else str(key))
    return sorted(found)
