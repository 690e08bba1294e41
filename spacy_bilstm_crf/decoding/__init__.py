"""From potentials and constraints to entities and their probabilities."""

from ..batching import Distribution
from .corrections import Conditioned, ContradictionError, Corrections, conditioned
from .decode import Prediction, candidate_entities, decode
from .distribution import (
    distribution_of,
    entropies,
    k_best_sequences,
    likely_sequences,
    margins,
    outside_probabilities,
    sampled_sequences,
    segment_probabilities,
    span_probabilities,
    token_probabilities,
)
from .entities import Entity, TooManyEntities, best_entities, check_number
from .levels import decode_levels, span_probabilities_of_levels
from .settings import LEAST_PROBABILITY, DecodingSettings
