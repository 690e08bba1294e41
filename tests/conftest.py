import pytest
import torch
from spacy.util import fix_random_seed

# Results must not depend on how many cores there are
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed():
    fix_random_seed(0)
