"""Fixtures of several of these modules."""

import pytest
from spacy.util import fix_random_seed

from tests.helpers import trained_nlp


@pytest.fixture(scope="module")
def trained():
    fix_random_seed(0)
    return trained_nlp()
