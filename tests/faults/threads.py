"""One pipeline used from several threads, as a web service does it, and from one.

    python -m tests.faults.threads --docs 2000 --runs 10 --threads 8

prints for each kind of embedding in how many docs what threads find differs from what one finds.
test_threads.py does the same with fewer docs.
"""

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import spacy
import torch
from spacy.util import fix_random_seed
from thinc.api import set_dropout_rate

from spacy_bilstm_crf.models.torch_layer import shim_of
from tests.helpers import SMALL_MODEL, char_embed_model, examples_for, make_nlp
from tests.tiny_bert import make_tiny_bert

WORDS = ["London", "I", "like", "Shaka", "Khan", "and", "Berlin", "who", "is", "Qwghlm", "1987"]
EMBEDDINGS = ["MultiHashEmbed", "CharCNNEmbed", "CharBiLSTMEmbed", "transformer"]


def texts(n_docs):
    """Short texts, of words that come back and of one that does not."""
    found = []
    for i in range(n_docs):
        words = [WORDS[(3 * i + j * (1 + i % 4)) % len(WORDS)] for j in range(3 + i % 9)]
        found.append(" ".join([*words, f"Nr{i}"]))
    return found


def unsure_nlp(embedding, bert=None):
    """A pipeline whose entities hang on small differences of its scores.

    Args:
        embedding: One of `EMBEDDINGS`.
        bert: Folder of the transformer.
    """
    fix_random_seed(0)
    if embedding == "transformer":
        nlp = transformer_nlp(bert)
    else:
        hashes = embedding == "MultiHashEmbed"
        nlp = make_nlp(model=SMALL_MODEL if hashes else char_embed_model(embedding))
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.nn.init.normal_(network.emissions.weight, std=4.0)
    # As a training leaves it; in a prediction nothing is dropped
    set_dropout_rate(nlp.get_pipe("ner").model, 0.5)
    return nlp


def transformer_nlp(bert):
    nlp = spacy.blank("en")
    named = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": str(bert)}
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
    model = {**named, "get_spans": spans, "tokenizer_config": {"use_fast": True}}
    nlp.add_pipe("transformer", config={"model": model})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    of_ner = {**SMALL_MODEL, "tok2vec": listener}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": of_ner})
    nlp.initialize(lambda: examples_for(nlp))
    switch_dropout_off(nlp.get_pipe("transformer").model.transformer)
    return nlp


def switch_dropout_off(transformer):
    """Set a transformer's dropout to 0.

    Thinc ends each prediction with `train()`, which switches dropout on in the predictions that
    other threads are in: it is the transformer's vectors that differ then, whatever the component.
    """
    for module in transformer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):  # of attention
            module.dropout_prob = 0.0


def found(doc):
    return [(ent.start, ent.end, ent.label_, ent._.confidence) for ent in doc.ents]


def without_probabilities(entities):
    return [entity[:3] for entity in entities]


def differing(nlp, docs, threads):
    """Numbers of docs: called one by one, those in which anything differs; piped in parts, those
    in which an entity does, as another batch rounds otherwise. And the number of entities."""
    expected = [found(doc) for doc in map(nlp, docs)]
    with ThreadPoolExecutor(threads) as pool:
        called = list(pool.map(lambda text: found(nlp(text)), docs))
        parts = [docs[i::threads] for i in range(threads)]
        piped = list(pool.map(lambda part: list(map(found, nlp.pipe(part))), parts))
    n_called = sum(ours != theirs for ours, theirs in zip(called, expected, strict=True))
    n_piped = sum(
        without_probabilities(ours) != without_probabilities(theirs)
        for i, of_part in enumerate(piped)
        for ours, theirs in zip(of_part, expected[i::threads], strict=True)
    )
    return n_called, n_piped, sum(map(len, expected))


def main():
    parser = argparse.ArgumentParser(description="Compares several threads with one")
    parser.add_argument("--docs", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--embedding", nargs="+", choices=EMBEDDINGS, default=EMBEDDINGS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    docs = texts(options.docs)
    row = "{:<16} {:>5} {:>9} {:>16} {:>15}"
    print(row.format("embedding", "runs", "entities", "differ (called)", "differ (piped)"))
    with tempfile.TemporaryDirectory() as bert:
        for embedding in options.embedding:
            if embedding == "transformer":
                make_tiny_bert(Path(bert))
            nlp = unsure_nlp(embedding, bert)
            runs = [differing(nlp, docs, options.threads) for _ in range(options.runs)]
            called, piped, entities = (sum(numbers) for numbers in zip(*runs))
            print(row.format(embedding, options.runs, entities, called, piped), flush=True)


if __name__ == "__main__":
    main()
