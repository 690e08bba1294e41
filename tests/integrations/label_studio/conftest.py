"""What pytest gives to the tests of the model for Label Studio."""

import pytest
from spacy.util import fix_random_seed

from tests.helpers import trained_nlp


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """The folder of a trained pipeline, which knows the labels PERSON and LOC."""
    path = tmp_path_factory.mktemp("pipeline") / "model"
    fix_random_seed(0)
    nlp = trained_nlp()
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.02  # to be trained further in few steps
    nlp.to_disk(path)
    return path
