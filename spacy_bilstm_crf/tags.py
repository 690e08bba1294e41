"""Entity labels as BILUO tags.

With K labels there are 4 K + 1 tags: "O", then "B-X", "I-X", "L-X" and "U-X" for each label in
turn. Adding a label appends four tags and keeps the ids of all others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = 0
MOVES = "BILU"
# Offsets from the id of a label's first tag, which is 1 + 4 * label
BEGIN, IN, LAST, UNIT = range(4)

LabelledSpan = tuple[int, int, int]  # first token, token after the last, index of the label


def count_tags(n_labels: int) -> int:
    """Return the number of tags for a number of labels."""
    return 4 * n_labels + 1


def count_labels(n_tags: int) -> int:
    """Return the number of labels for a number of tags."""
    return n_tags // 4


def biluo_tags(labels: Sequence[str]) -> list[str]:
    """Return the names of all tags, in the order of their ids."""
    return ["O"] + [f"{move}-{label}" for label in labels for move in MOVES]


def tag_id(move: int, label: int) -> int:
    """Return the id of the BEGIN, IN, LAST or UNIT tag of a label."""
    return 1 + 4 * label + move


class LegalTransitions(NamedTuple):
    """Which tags may directly follow one another.

    Attributes:
        ended: Tags after which no entity continues, int64 [2 * n_labels + 1].
        fresh: Tags that may follow any of `ended`, int64 [2 * n_labels + 1].
        going_on: Tags after which an entity of each label continues, int64 [n_labels, 2].
        inside: Tags that may follow any of `going_on` of the same label, int64 [n_labels, 2].
    """

    ended: np.ndarray
    fresh: np.ndarray
    going_on: np.ndarray
    inside: np.ndarray


def legal_transitions(n_labels: int) -> LegalTransitions:
    """Return the legal transitions between the tags for a number of labels."""
    first = tag_id(0, 0) + 4 * np.arange(n_labels)[:, None]

    def of_labels(*moves: int) -> np.ndarray:
        return first + np.array(moves)

    ended, fresh = (
        np.append(OUTSIDE, of_labels(*moves).ravel()) for moves in ((LAST, UNIT), (BEGIN, UNIT))
    )
    return LegalTransitions(ended, fresh, of_labels(BEGIN, IN), of_labels(IN, LAST))


def tags_of_span(span: LabelledSpan) -> list[int]:
    """Return the tag ids of an entity's tokens."""
    start, end, label = span
    if end - start == 1:
        return [tag_id(UNIT, label)]
    inner = [tag_id(IN, label)] * (end - start - 2)
    return [tag_id(BEGIN, label), *inner, tag_id(LAST, label)]


def spans_of_tags(tag_ids: np.ndarray) -> list[LabelledSpan]:
    """Return the entities of a legal tag sequence, in order.

    Args:
        tag_ids: Tag ids, int [n_tokens].
    """
    inside = np.asarray(tag_ids, dtype=np.int64) - 1
    moves = np.where(inside >= 0, inside % 4, -1)
    firsts = np.flatnonzero((moves == BEGIN) | (moves == UNIT))
    lasts = np.flatnonzero((moves == LAST) | (moves == UNIT))
    return [
        (int(first), int(last) + 1, int(inside[first]) // 4) for first, last in zip(firsts, lasts)
    ]


def mask_of_span(span: LabelledSpan, n_tokens: int, n_tags: int) -> np.ndarray:
    """Return the mask of the tag sequences that contain an entity.

    Args:
        span: The entity.
        n_tokens: Number of tokens of the doc.
        n_tags: Number of tags.

    Returns:
        bool [n_tokens, n_tags].
    """
    mask = np.ones((n_tokens, n_tags), dtype=bool)
    force_span(mask, span)
    return mask


def force_span(mask: np.ndarray, span: LabelledSpan) -> None:
    """Allow only an entity's tags for its tokens, in place.

    Args:
        mask: Allowed tags, bool [n_tokens, n_tags].
        span: The entity.
    """
    mask[span[0] : span[1]] = False
    mask[np.arange(span[0], span[1]), tags_of_span(span)] = True
