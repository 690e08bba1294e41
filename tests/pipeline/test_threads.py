"""One pipeline used from several threads, as a web service does it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from spacy.util import fix_random_seed
from thinc.api import set_dropout_rate

from spacy_bilstm_crf.models.torch_layer import shim_of
from tests.helpers import SMALL_MODEL, char_embed_model, make_nlp

N_THREADS = 8
WORDS = ["London", "I", "like", "Shaka", "Khan", "and", "Berlin", "who", "is", "Qwghlm", "1987"]
TEXTS = [
    " ".join(WORDS[(3 * i + j * (1 + i % 4)) % len(WORDS)] for j in range(3 + i % 9))
    for i in range(400)
]


@pytest.fixture(params=["MultiHashEmbed", "CharCNNEmbed", "CharBiLSTMEmbed"])
def unsure(request):
    """A pipeline whose entities hang on small differences of its scores."""
    fix_random_seed(0)
    hashes = request.param == "MultiHashEmbed"
    nlp = make_nlp(model=SMALL_MODEL if hashes else char_embed_model(request.param))
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.nn.init.normal_(network.emissions.weight, std=4.0)
    # As a training leaves it; in a prediction nothing is dropped
    set_dropout_rate(nlp.get_pipe("ner").model, 0.5)
    return nlp


def found(doc):
    return [(ent.start, ent.end, ent.label_, ent._.confidence) for ent in doc.ents]


def test_threads_find_what_one_thread_finds(unsure):
    expected = [found(doc) for doc in map(unsure, TEXTS)]
    assert sum(map(len, expected)) > 200
    with ThreadPoolExecutor(N_THREADS) as pool:
        assert [found(doc) for doc in pool.map(unsure, TEXTS)] == expected
        parts = [TEXTS[i::N_THREADS] for i in range(N_THREADS)]
        piped = list(pool.map(lambda part: list(map(found, unsure.pipe(part))), parts))
    for i, of_part in enumerate(piped):
        for ours, theirs in zip(of_part, expected[i::N_THREADS], strict=True):
            assert [entity[:3] for entity in ours] == [entity[:3] for entity in theirs]
