"""What pytest gives to tests by name: a small corpus, a pipeline trained on it."""

import pytest
import spacy
import torch
from spacy.tokens import DocBin
from spacy.util import fix_random_seed

from tests.helpers import CONFIG, SMALL_TRAINING, examples_for, spacy_command

# Results must not depend on how many cores there are
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed():
    fix_random_seed(0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A file of a few docs."""
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    examples = examples_for(spacy.blank("en"))
    DocBin(docs=[eg.reference for eg in examples] * 4).to_disk(path)
    return path


@pytest.fixture(scope="module")
def paths(corpus):
    """Options for `spacy train` to train and evaluate on it."""
    return [f"--paths.train={corpus}", f"--paths.dev={corpus}"]


@pytest.fixture(scope="module")
def model(paths, tmp_path_factory):
    """Folder of a pipeline that was trained on it, by the shipped config."""
    output = tmp_path_factory.mktemp("training")
    arguments = [*paths, *SMALL_TRAINING, "--training.max_steps=60"]
    spacy_command("train", CONFIG, "--output", output, *arguments)
    return output / "model-best"
