"""Finds entities by their exact probability.

The probability of an entity is that of all tag sequences in which it occurs, with its label, from
its first token to its last.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import torch

from .. import tags
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
    device = posterior.marginals.device
    sizes = [len(of_sequence) for of_sequence in spans]
    flat = [(row, *span) for row, of_row in enumerate(spans) for span in of_row]
    row, start, end, label = torch.tensor(flat, dtype=torch.long, device=device).view(-1, 4).T
    length = end - start
    first = tags.tag_id(0, 0) + 4 * label + torch.where(length == 1, tags.UNIT, tags.BEGIN)
    log_p = posterior.marginals[row, start, first].log()
    entity, offset = steps_within(length)
    inside = tags.tag_id(tags.IN, 0) + 4 * label[entity]
    tag = torch.where(offset == 0, first[entity], inside)
    after = torch.where(offset == length[entity] - 2, inside - tags.IN + tags.LAST, inside)
    log_next = posterior.log_next(row[entity], start[entity] + offset, tag, after)
    log_p = log_p.index_add(0, entity, log_next)
    return [of_sequence.tolist() for of_sequence in log_p.exp().split(sizes)]


def steps_within(lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all steps from one token to the next within spans, in one array.

    Args:
        lengths: The number of tokens of each span, at least 1, int64 [N].

    Returns:
        The span of each step, and the step's number in the span, from 0.
    """
    span = torch.repeat_interleave(lengths - 1)
    begin = torch.cumsum(lengths - 1, 0) - (lengths - 1)
    return span, torch.arange(len(span), device=lengths.device) - begin[span]


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
    n_labels = tags.count_labels(posterior.marginals.shape[-1])
    by_move = posterior.marginals[..., 1:].unflatten(-1, (n_labels, 4))  # [B, T, labels, moves]
    row, token, label = (by_move[..., tags.UNIT] >= minimum).nonzero(as_tuple=True)
    found = [(row, token, token + 1, label, by_move[row, token, label, tags.UNIT])]

    row, start, label = (by_move[..., tags.BEGIN] >= minimum).nonzero(as_tuple=True)
    log_p = by_move[row, start, label, tags.BEGIN].log()
    token, move = start, tags.BEGIN
    n_found = torch.zeros_like(posterior.lengths)
    for length in count(2):
        if most_per_token is not None:
            n_found = n_found + torch.bincount(found[-1][0], minlength=len(n_found))
            if (n_found > FEW + most_per_token * posterior.lengths).any():
                raise TooManyEntities(
                    f"There are more than {most_per_token} entities per token with a probability "
                    f"of at least {minimum:g}."
                )
        # Stop at the end, even of a segment whose last entity may continue beyond it
        here = token < posterior.lengths[row] - 1
        row, start, label, token, log_p = (x[here] for x in (row, start, label, token, log_p))
        if not len(row) or (max_length is not None and length > max_length):
            break
        tag, last, within = (tags.tag_id(m, 0) + 4 * label for m in (move, tags.LAST, tags.IN))
        p = (log_p + posterior.log_next(row, token, tag, last)).exp()
        log_p = log_p + posterior.log_next(row, token, tag, within)
        ended = p >= minimum
        found.append((row[ended], start[ended], token[ended] + 2, label[ended], p[ended]))
        goes_on = log_p.exp() >= minimum
        row, start, label, token = (x[goes_on] for x in (row, start, label, token + 1))
        log_p, move = log_p[goes_on], tags.IN

    of_sequence: list[list[Entity]] = [[] for _ in posterior.lengths]
    for i, *entity in zip(*(torch.cat(column).tolist() for column in zip(*found))):
        of_sequence[i].append(Entity(*entity))
    return [sorted(entities) for entities in of_sequence]


def best_entities(candidates: Sequence[Entity], threshold: float) -> list[Entity]:
    """Select the entities without overlap that maximize the sum of (probability - threshold).

    With calibrated probabilities and a threshold of half the best achievable F1, this selection has
    the best expected F1 (Lipton et al. 2014, for each entity on its own). It is found by weighted
    interval scheduling (Kleinberg and Tardos 2006).

    Args:
        candidates: Entities in any order; they may overlap.
        threshold: Least probability.

    Returns:
        The selected entities in order.
    """
    candidates = [entity for entity in candidates if entity.probability >= threshold]
    candidates.sort(key=lambda entity: entity.end)
    ends = [entity.end for entity in candidates]
    # For the first i candidates: the best sum, and whether it includes the last of them
    best, taken = [0.0], [False]
    before = [bisect_right(ends, entity.start) for entity in candidates]
    for entity, compatible in zip(candidates, before):
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
