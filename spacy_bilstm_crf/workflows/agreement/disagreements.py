"""The places at which annotators differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..report.matching import can_match
from ..report.mentions import Mention
from .reading import SharedText

Version = tuple[Mention, ...]  # the entities of an annotator at a place
MARKED_BY_SOME, OTHER_BOUNDARIES, OTHER_LABEL, OTHER_SPAN = (
    "marked by some only",
    "other boundaries",
    "other label",
    "other boundaries and label",
)
DISAGREEMENT_KINDS = (MARKED_BY_SOME, OTHER_BOUNDARIES, OTHER_LABEL, OTHER_SPAN)


class Disagreement(NamedTuple):
    """A place at which annotators differ.

    Attributes:
        text: The text.
        kind: One of `DISAGREEMENT_KINDS`.
        start: First token.
        end: Token after the last.
        versions: The entities there, by each annotator who has annotated all of these tokens.
    """

    text: SharedText
    kind: str
    start: int
    end: int
    versions: dict[str, Version]

    @property
    def offsets(self) -> tuple[int, int]:
        """First character, and the one after the last."""
        mentions = [mention for version in self.versions.values() for mention in version]
        return min(m.start_char for m in mentions), max(m.end_char for m in mentions)


def disagreements(texts: Sequence[SharedText]) -> list[Disagreement]:
    """Find the places at which annotators differ, in the order of the texts.

    A place is a set of entities, of all annotators, that are connected by overlaps or, where the
    entities of one annotator may overlap, by what can be matched: see `report.matching`.

    Args:
        texts: The texts with their annotation.
    """
    return [each for text in texts for each in _of_text(text)]


def _of_text(text: SharedText) -> Iterator[Disagreement]:
    for place in _places(text):
        start, end = min(m.start for m in place), max(m.end for m in place)
        keys = {mention.key for mention in place}
        versions = {
            who: tuple(mention for mention in annotation.mentions if mention.key in keys)
            for who, annotation in text.annotations.items()
            if annotation.known[start:end].all()
        }
        said = {tuple(mention.key for mention in version) for version in versions.values()}
        if len(said) > 1:
            yield Disagreement(text, _kind_of(versions), start, end, versions)


def _places(text: SharedText) -> list[list[Mention]]:
    """Return the connected parts of the entities of all annotators, each entity once."""
    every = {m.key: m for annotation in text.annotations.values() for m in annotation.mentions}
    mentions = [every[key] for key in sorted(every)]
    leader = list(range(len(mentions)))

    def found(i: int) -> int:
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    open_: list[int] = []
    for i, mention in enumerate(mentions):
        open_ = [j for j in open_ if mentions[j].end > mention.start]
        for j in open_:
            if can_match(mentions[j], mention):
                one, other = sorted((found(i), found(j)))
                leader[other] = one
        open_.append(i)
    places: dict[int, list[Mention]] = {}
    for i, mention in enumerate(mentions):
        places.setdefault(found(i), []).append(mention)
    return list(places.values())


def _kind_of(versions: Mapping[str, Version]) -> str:
    if not all(versions.values()):
        return MARKED_BY_SOME
    boundaries = {tuple(sorted(m.key[:2] for m in version)) for version in versions.values()}
    labels = {frozenset(m.label for m in version) for version in versions.values()}
    if len(boundaries) == 1:
        return OTHER_LABEL
    return OTHER_BOUNDARIES if len(labels) == 1 else OTHER_SPAN
