"""Draws tag sequences from the posterior."""

from collections.abc import Sequence

import numpy as np

from .arrays import asarray, device_of, to_numpy
from .forward_backward import Posterior


def sample(posterior: Posterior, n: int, random: Sequence[np.random.Generator]) -> list[np.ndarray]:
    """Draw independent tag sequences of each sequence, each with its exact probability.

    Given the tokens, the tags are a Markov chain (Rabiner 1989): the first tag is drawn from its
    marginals, and each next one given the tag before.

    Args:
        posterior: The posterior.
        n: Number of tag sequences.
        random: Draws the numbers of each sequence. It may be the same for several of them: with
            one of its own, the tags of a sequence do not depend on the others.

    Returns:
        For each sequence int64 [n, length].
    """
    lengths = to_numpy(posterior.lengths)
    drawn = [np.zeros((n, length), dtype=np.int64) for length in lengths]
    numbers = [of_one.random((length, n)) for of_one, length in zip(random, lengths, strict=True)]
    first = to_numpy(posterior.marginals[:, 0])
    for tags, probabilities, of_steps in zip(drawn, first, numbers):
        tags[:, 0] = _chosen(np.repeat(probabilities[None], n, axis=0), of_steps[0])
    for step in range(int(lengths.max(initial=1)) - 1):
        rows = np.flatnonzero(lengths > step + 1)
        states = np.stack([drawn[row][:, step] for row in rows])  # [R, n]
        table, place = _next_tags(posterior, rows, step, states)
        of_step = np.concatenate([numbers[row][step + 1] for row in rows])
        chosen = _chosen(table[place], of_step).reshape(states.shape)
        for row, tags in zip(rows, chosen):
            drawn[row][:, step + 1] = tags
    return drawn


def _next_tags(
    posterior: Posterior, rows: np.ndarray, step: int, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the probabilities of the next tag, once for each row and tag that occurs.

    Args:
        posterior: The posterior.
        rows: The rows, int64 [R].
        step: The step of the tags.
        states: The tags drawn for it, int64 [R, n].

    Returns:
        The probabilities, float64 [M, K], and which of them belongs to each tag, int64 [R * n].
    """
    n_tags = posterior.marginals.shape[-1]
    pairs = (rows[:, None] * n_tags + states).ravel()
    distinct, place = np.unique(pairs, return_inverse=True)
    device = device_of(posterior.marginals)
    row, tag = (np.repeat(each, n_tags) for each in np.divmod(distinct, n_tags))
    after = np.tile(np.arange(n_tags), len(distinct))
    queries = (row, np.full_like(row, step), tag, after)
    log_p = posterior.log_next(*(asarray(query, device) for query in queries))
    return np.exp(to_numpy(log_p)).reshape(-1, n_tags), place


def _chosen(probabilities: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Choose a tag by each row of probabilities, which need not sum to exactly 1.

    Args:
        probabilities: float64 [M, K].
        numbers: Random numbers from 0 up to 1, [M].

    Returns:
        int64 [M].
    """
    cumulative = probabilities.cumsum(axis=1)
    return (cumulative > (numbers * cumulative[:, -1])[:, None]).argmax(axis=1)
