"""One pipeline used from several threads, as a web service does it, and from one.

    python -m tests.faults.threads --docs 2000 --runs 10 --threads 8

prints for each kind of embedding in how many docs the entities that threads find differ from those
that one finds, or their probabilities by more than 1e-5, and the largest difference of these.
test_threads.py does the same with fewer docs.
"""

import argparse
import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import spacy
import torch
from spacy.util import fix_random_seed
from thinc.api import set_dropout_rate

from spacy_bilstm_crf.models.torch_layer import shim_of
from tests.helpers import SMALL_MODEL, char_embed_model, examples_for, make_nlp
from tests.tiny_bert import make_tiny_bert

WORDS = ["London", "I", "like", "Shaka", "Khan", "and", "Berlin", "who", "is", "Qwghlm", "1987"]
# Threads may use other kernels of torch, whose last digits differ on some processors
TOLERANCE = 1e-5
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


def difference(entities, others):
    """The largest difference of their probabilities; infinite if they are not the same entities."""
    if [entity[:3] for entity in entities] != [entity[:3] for entity in others]:
        return math.inf
    return max((abs(a[3] - b[3]) for a, b in zip(entities, others)), default=0.0)


class Compared(NamedTuple):
    """What threads find, beside what one thread finds.

    Attributes:
        called: Number of docs that differ when the pipeline is called with one text.
        piped: Number of docs whose entities differ when each thread pipes its share of the texts.
            Other batches round differently, so this says nothing about the probabilities.
        entities: Number of entities.
        largest: Largest difference of a probability, over the docs with the same entities.
    """

    called: int
    piped: int
    entities: int
    largest: float


def compared(nlp, docs, threads):
    """Compare what threads find with what one finds."""
    expected = [found(doc) for doc in map(nlp, docs)]
    with ThreadPoolExecutor(threads) as pool:
        called = list(pool.map(lambda text: found(nlp(text)), docs))
        shares = [docs[i::threads] for i in range(threads)]
        piped = list(pool.map(lambda share: list(map(found, nlp.pipe(share))), shares))
    of_called = [difference(*pair) for pair in zip(called, expected, strict=True)]
    of_piped = [
        difference(ours, theirs)
        for i, of_share in enumerate(piped)
        for ours, theirs in zip(of_share, expected[i::threads], strict=True)
    ]
    return Compared(
        called=sum(each > TOLERANCE for each in of_called),
        piped=sum(each == math.inf for each in of_piped),
        entities=sum(map(len, expected)),
        largest=max(each for each in of_called if each < math.inf),
    )


def main():
    parser = argparse.ArgumentParser(description="Compares several threads with one")
    parser.add_argument("--docs", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--embedding", nargs="+", choices=EMBEDDINGS, default=EMBEDDINGS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    docs = texts(options.docs)
    row = "{:<16} {:>5} {:>9} {:>16} {:>15} {:>8}"
    print(row.format("embedding", "runs", "entities", "differ (called)", "differ (piped)", "most"))
    with tempfile.TemporaryDirectory() as bert:
        for embedding in options.embedding:
            if embedding == "transformer":
                make_tiny_bert(Path(bert))
            nlp = unsure_nlp(embedding, bert)
            runs = [compared(nlp, docs, options.threads) for _ in range(options.runs)]
            called, piped, entities, _ = (sum(numbers) for numbers in zip(*runs))
            most = f"{max(run.largest for run in runs):.0e}"
            print(row.format(embedding, options.runs, entities, called, piped, most), flush=True)


if __name__ == "__main__":
    main()
