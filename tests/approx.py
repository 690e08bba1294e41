"""Comparison of what annotators find: entities are equal, probabilities within 1e-5."""

import pytest


def alike(found):
    """Return what equals values of the same entities and, within 1e-5, the same probabilities."""
    if isinstance(found, dict):
        return {key: alike(value) for key, value in found.items()}
    if isinstance(found, list):
        return [alike(each) for each in found]
    return pytest.approx(found, abs=1e-5) if isinstance(found, float) else found
