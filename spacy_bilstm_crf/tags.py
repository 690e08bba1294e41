"""Entity labels as BILUO tags.

With K labels there are 4 K + 1 tags: "O", then "B-X", "I-X", "L-X", "U-X" for each label in
turn, so that adding a label appends four tags and leaves the others where they are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = 0
MOVES = "BILU"
# Tag id of a label's first tag is 1 + 4 * label; these are the offsets from it
BEGIN, IN, LAST, UNIT = range(4)

LabelledSpan = tuple[int, int, int]  # first token, token after the last, index of the label


def count_tags(n_labels: int) -> int:
    """Number of tags for a number of labels."""
    return 4 * n_labels + 1


def count_labels(n_tags: int) -> int:
    """Number of labels for a number of tags."""
    return n_tags // 4


def biluo_tags(labels: Sequence[str]) -> list[str]:
    """Names of all tags, in the order of their ids."""
    return ["O"] + [f"{move}-{label}" for label in labels for move in MOVES]


def tag_id(move: int, label: int) -> int:
    """Id of a label's BEGIN, IN, LAST or UNIT tag."""
    return 1 + 4 * label + move


class LegalTransitions(NamedTuple):
    """Which tag may come directly after which, as pairs of two kinds.

    Attributes:
        ended: Tags at which no entity goes on, [2 * n_labels + 1].
        fresh: Tags that may follow each of those, [2 * n_labels + 1].
        going_on: Tags at which each label's entity goes on, [n_labels, 2].
        inside: Tags that may follow each of those of the same label, [n_labels, 2].
    """

    ended: np.ndarray
    fresh: np.ndarray
    going_on: np.ndarray
    inside: np.ndarray


def legal_transitions(n_labels: int) -> LegalTransitions:
    """Which tag may come directly after which, of the tags for a number of labels."""
    first = tag_id(0, 0) + 4 * np.arange(n_labels)[:, None]

    def of_labels(*moves: int) -> np.ndarray:
        return first + np.array(moves)

    ended, fresh = (
        np.append(OUTSIDE, of_labels(*moves).ravel()) for moves in ((LAST, UNIT), (BEGIN, UNIT))
    )
    return LegalTransitions(ended, fresh, of_labels(BEGIN, IN), of_labels(IN, LAST))


def tags_of_span(span: LabelledSpan) -> list[int]:
    """Tag ids of an entity's tokens."""
    start, end, label = span
    if end - start == 1:
        return [tag_id(UNIT, label)]
    inner = [tag_id(IN, label)] * (end - start - 2)
    return [tag_id(BEGIN, label), *inner, tag_id(LAST, label)]


def spans_of_tags(tag_ids: np.ndarray) -> list[LabelledSpan]:
    """Entities of a legal sequence of tag ids, in order."""
    inside = np.asarray(tag_ids, dtype=np.int64) - 1
    moves = np.where(inside >= 0, inside % 4, -1)
    firsts = np.flatnonzero((moves == BEGIN) | (moves == UNIT))
    lasts = np.flatnonzero((moves == LAST) | (moves == UNIT))
    return [
        (int(first), int(last) + 1, int(inside[first]) // 4) for first, last in zip(firsts, lasts)
    ]


def tags_of_spans(spans: Sequence[LabelledSpan], n_tokens: int) -> np.ndarray:
    """Tag ids of all tokens, int64 [n_tokens], from entities that do not overlap."""
    tag_ids = np.full(n_tokens, OUTSIDE, dtype=np.int64)
    for span in spans:
        tag_ids[span[0] : span[1]] = tags_of_span(span)
    return tag_ids


def mask_of_span(span: LabelledSpan, n_tokens: int, n_tags: int) -> np.ndarray:
    """Allowed tags that pick out the tag sequences in which this very entity occurs.

    Returns:
        bool [n_tokens, n_tags].
    """
    mask = np.ones((n_tokens, n_tags), dtype=bool)
    force_span(mask, span)
    return mask


def force_span(mask: np.ndarray, span: LabelledSpan) -> None:
    """Leave only this entity's tags to its tokens, in place."""
    mask[span[0] : span[1]] = False
    mask[np.arange(span[0], span[1]), tags_of_span(span)] = True
