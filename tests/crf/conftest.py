"""What pytest gives to the tests of the CRF."""

import pytest

from spacy_bilstm_crf.crf import transitions


@pytest.fixture(autouse=True, scope="module")
def both_kinds_of_arrays(kind_of_arrays):
    """Run each test on NumPy arrays and on torch tensors."""


@pytest.fixture(autouse=True, scope="package")
def blocks_of_few_tags():
    """Use blocks wherever there are any, not only with more tags than can be enumerated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transitions, "MANY_TAGS", 0)
        yield
