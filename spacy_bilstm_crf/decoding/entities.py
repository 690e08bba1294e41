"""Finds entities by their exact probability.

The probability of an entity is that of all tag sequences in which it occurs, with its label, from
its first token to its last.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence, Sized
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from .. import crf, tags
from ..crf import Posterior

# A short sequence may have this many entities, whatever the limit for each of its tokens
FEW = 5_000


class TooManyEntities(ValueError):
    """A sequence has more entities of some least probability than it may have."""


class Entity(NamedTuple):
    """A span that may be an entity, with its probability.

    Attributes:
        start: Index of the first token.
        end: Index of the token after the last.
        label: Index of the label among the component's `labels`.
        probability: From 0 to 1; NaN if it was not computed.
    """

    start: int
    end: int
    label: int
    probability: float

    @property
    def span(self) -> tags.LabelledSpan:
        """The entity without its probability."""
        return self.start, self.end, self.label

    def moved(self, steps: int) -> "Entity":
        """Return the entity moved by a number of tokens."""
        return self._replace(start=self.start + steps, end=self.end + steps)


def probabilities(
    posterior: Posterior, spans: Sequence[Sequence[tags.LabelledSpan]]
) -> list[list[float]]:
    """Compute the probability of each span of each sequence.

    Args:
        posterior: The posterior over the tags of `tags.biluo_tags`.
        spans: Spans of each sequence.

    Returns:
        For each sequence, the probabilities in the order of its spans.
    """
    flat = [(row, *span) for row, of_row in enumerate(spans) for span in of_row]
    rows, starts, ends, labels = np.array(flat, dtype=np.int64).reshape(-1, 4).T
    first, inside, last = (
        tags.tag_id(0, 0) + 4 * labels + move
        for move in (np.where(ends - starts == 1, tags.UNIT, tags.BEGIN), tags.IN, tags.LAST)
    )
    found = tag_probabilities(posterior, rows, starts, ends, first, inside, last)
    return list(per_sequence(found, spans))


@crf.quietly
def tag_probabilities(
    posterior: Posterior,
    rows: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    first: np.ndarray,
    inside: np.ndarray,
    last: np.ndarray,
) -> np.ndarray:
    """Compute the probability that the tokens of spans have given tags.

    Args:
        posterior: The posterior.
        rows: Sequence of each span, int64 [N].
        starts: First token of each span, int64 [N].
        ends: Token after the last of each span, int64 [N].
        first: Tag of each span's first token, int64 [N].
        inside: Tag of the tokens between its first and last, int64 [N].
        last: Tag of its last token, if it has more than one, int64 [N].

    Returns:
        float64 [N]; NaN or 0 if the tags are impossible.
    """
    n_steps = ends - starts - 1
    # All steps from one token to the next, span after span
    span = np.repeat(np.arange(len(rows)), n_steps)
    offset = np.arange(len(span)) - (np.cumsum(n_steps) - n_steps)[span]
    before = np.where(offset == 0, first[span], inside[span])
    after = np.where(offset == n_steps[span] - 1, last[span], inside[span])
    device = crf.device_of(posterior.marginals)

    def on_device(*indices: np.ndarray) -> tuple[crf.Array, ...]:
        return tuple(crf.asarray(each, device) for each in indices)

    of_first = posterior.marginals[on_device(rows, starts, first)]
    of_steps = posterior.log_next(*on_device(rows[span], starts[span] + offset, before, after))
    log_p = np.bincount(span, crf.to_numpy(of_steps), len(rows))
    return crf.to_numpy(of_first) * np.exp(log_p)


@crf.quietly
def sequence_probabilities(
    posterior: Posterior, segments: Sequence[tuple[int, int, Sequence[int]]]
) -> np.ndarray:
    """Compute the probability that consecutive tokens have given tags.

    Args:
        posterior: The posterior.
        segments: N segments: the sequence, the first token, and the tags from there on.

    Returns:
        float64 [N]; NaN or 0 if the tags are impossible.
    """
    rows, starts = np.array([each[:2] for each in segments], dtype=np.int64).reshape(-1, 2).T
    tag_ids = np.array([tag for *_, of_one in segments for tag in of_one], dtype=np.int64)
    n_tags = np.array([len(of_one) for *_, of_one in segments], dtype=np.int64)
    first = np.cumsum(n_tags) - n_tags  # of each segment's tags
    segment = np.repeat(np.arange(len(rows)), n_tags - 1)  # of each step from a token to the next
    offset = np.arange(len(segment)) - (np.cumsum(n_tags - 1) - (n_tags - 1))[segment]
    before = first[segment] + offset
    device = crf.device_of(posterior.marginals)

    def on_device(*indices: np.ndarray) -> tuple[crf.Array, ...]:
        return tuple(crf.asarray(each, device) for each in indices)

    of_first = posterior.marginals[on_device(rows, starts, tag_ids[first])]
    places = rows[segment], starts[segment] + offset
    of_steps = posterior.log_next(*on_device(*places, tag_ids[before], tag_ids[before + 1]))
    log_p = np.bincount(segment, crf.to_numpy(of_steps), len(rows))
    return crf.to_numpy(of_first) * np.exp(log_p)


def per_sequence(values: np.ndarray, spans: Sequence[Sized]) -> Iterator[list[float]]:
    """Yield the values of the spans of each sequence, from an array of those of all sequences."""
    rest = iter(values.tolist())
    return (list(islice(rest, len(of_sequence))) for of_sequence in spans)


def likely_entities(
    posterior: Posterior,
    minimum: float,
    max_length: int | None = None,
    most_per_token: int | None = None,
) -> list[list[Entity]]:
    """Find every entity whose probability is at least the minimum, overlapping ones too.

    The probability of an entity that begins with the tag B-X is P(B-X) times the probabilities of
    each next tag given the one before. It can only fall as the entity grows, so entities below the
    minimum are not extended.

    Args:
        posterior: The posterior over the tags of `tags.biluo_tags`.
        minimum: Least probability, above 0.
        max_length: Longest entity, in tokens; None for any length.
        most_per_token: The most entities that a sequence may have for each of its tokens, on
            average; None for any number.

    Returns:
        For each sequence, its entities in the order of start, end and label.

    Raises:
        TooManyEntities: If a sequence has more, and more than `FEW`.
    """
    xp = crf.namespace_of(posterior.marginals)
    *shape, n_tags = posterior.marginals.shape
    n_labels = tags.count_labels(n_tags)
    by_move = posterior.marginals[..., 1:].reshape(*shape, n_labels, 4)  # [B, T, labels, moves]
    row, token, label = xp.where(by_move[..., tags.UNIT] >= minimum)
    found = [(row, token, token + 1, label, by_move[row, token, label, tags.UNIT])]

    row, start, label = xp.where(by_move[..., tags.BEGIN] >= minimum)
    log_p = xp.log(by_move[row, start, label, tags.BEGIN])
    token, move = start, tags.BEGIN
    lengths = crf.to_numpy(posterior.lengths)
    n_found = np.zeros_like(lengths)
    for length in count(2):
        if most_per_token is not None:
            n_found += np.bincount(crf.to_numpy(found[-1][0]), minlength=len(n_found))
            check_number(n_found, lengths, minimum, most_per_token)
        # Stop at the end, even of a segment whose last entity may continue beyond it
        here = token < posterior.lengths[row] - 1
        row, start, label, token, log_p = (x[here] for x in (row, start, label, token, log_p))
        if not len(row) or (max_length is not None and length > max_length):
            break
        tag, last, within = (tags.tag_id(m, 0) + 4 * label for m in (move, tags.LAST, tags.IN))
        p = xp.exp(log_p + posterior.log_next(row, token, tag, last))
        log_p = log_p + posterior.log_next(row, token, tag, within)
        ended = p >= minimum
        found.append((row[ended], start[ended], token[ended] + 2, label[ended], p[ended]))
        goes_on = xp.exp(log_p) >= minimum
        row, start, label, token = (x[goes_on] for x in (row, start, label, token + 1))
        log_p, move = log_p[goes_on], tags.IN

    of_sequence: list[list[Entity]] = [[] for _ in range(len(posterior.lengths))]
    for i, *entity in zip(*(xp.concatenate(column).tolist() for column in zip(*found))):
        of_sequence[i].append(Entity(*entity))
    return [sorted(entities) for entities in of_sequence]


def check_number(
    n_found: np.ndarray, lengths: np.ndarray, minimum: float, most_per_token: int
) -> None:
    """Check that no sequence has more entities than it may have.

    Args:
        n_found: Number of entities of each sequence, int64 [B].
        lengths: Number of tokens of each sequence, int64 [B].
        minimum: Least probability of the entities, for the message.
        most_per_token: See `likely_entities`.

    Raises:
        TooManyEntities: If one has.
    """
    if (n_found > FEW + most_per_token * lengths).any():
        raise TooManyEntities(
            f"There are more than {most_per_token} entities per token with a probability of at "
            f"least {minimum:g}."
        )


def best_entities(candidates: Sequence[Entity], threshold: float | Sequence[float]) -> list[Entity]:
    """Select the entities without overlap that maximize the sum of (probability - threshold).

    With calibrated probabilities and a threshold of half the best achievable F1, this selection has
    the best expected F1 (Lipton et al. 2014, for each entity on its own). It is found by weighted
    interval scheduling (Kleinberg and Tardos 2006).

    Where labels have thresholds of their own, (probability - threshold of its label) is what an
    entity is worth if a right one with threshold t counts 1 - t and a wrong one costs t. So the
    selection has the best expected value, also among entities of several labels that overlap.

    Args:
        candidates: Entities in any order; they may overlap.
        threshold: Least probability, or that of each label, in the order of their indices.

    Returns:
        The selected entities in order.
    """
    if isinstance(threshold, Sequence):
        chosen = [each for each in candidates if each.probability >= threshold[each.label]]
        chosen.sort(key=lambda entity: entity.end)
        least = [threshold[each.label] for each in chosen]
    else:
        chosen = [each for each in candidates if each.probability >= threshold]
        chosen.sort(key=lambda entity: entity.end)
        least = [threshold] * len(chosen)
    return _heaviest(chosen, least)


def _heaviest(candidates: Sequence[Entity], least: Sequence[float]) -> list[Entity]:
    """Select entities by weighted interval scheduling.

    Args:
        candidates: Entities in the order of their ends.
        least: The threshold of each, which its probability reaches.
    """
    ends = [entity.end for entity in candidates]
    # For the first i candidates: the best sum, and whether it includes the last of them
    best, taken = [0.0], [False]
    before = [bisect_right(ends, entity.start) for entity in candidates]
    for entity, compatible, threshold in zip(candidates, before, least):
        gain = best[compatible] + entity.probability - threshold
        taken.append(gain >= best[-1])
        best.append(max(gain, best[-1]))
    chosen = []
    i = len(candidates)
    while i:
        if taken[i]:
            chosen.append(candidates[i - 1])
            i = before[i - 1]
        else:
            i -= 1
    return chosen[::-1]
