"""What several threads find with one pipeline. `python -m tests.faults.threads` takes more docs."""

import pytest

from tests.faults.threads import EMBEDDINGS, differing, texts, unsure_nlp
from tests.tiny_bert import make_tiny_bert

N_THREADS = 8
N_DOCS = 400


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_threads_find_what_one_thread_finds(embedding, tmp_path):
    if embedding == "transformer":
        pytest.importorskip("spacy_transformers", reason="needs the [transformers] extra")
        make_tiny_bert(tmp_path)
    nlp = unsure_nlp(embedding, tmp_path)
    called, piped, n_entities = differing(nlp, texts(N_DOCS), N_THREADS)
    assert (called, piped) == (0, 0)
    assert n_entities > N_DOCS / 2
