"""What several threads find with one pipeline. `python -m tests.faults.threads` takes more docs."""

import pytest

from tests.faults.threads import EMBEDDINGS, compared, texts, unsure_nlp
from tests.tiny_bert import make_tiny_bert

N_THREADS = 8
N_DOCS = 400


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_threads_find_what_one_thread_finds(embedding, tmp_path):
    if embedding == "transformer":
        pytest.importorskip("spacy_transformers", reason="needs the [transformers] extra")
        make_tiny_bert(tmp_path)
    nlp = unsure_nlp(embedding, tmp_path)
    result = compared(nlp, texts(N_DOCS), N_THREADS)
    assert (result.called, result.piped) == (0, 0)
    assert result.entities > N_DOCS / 2
