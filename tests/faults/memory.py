"""Run by test_memory.py: how much memory grows while many docs are piped.

    python -m tests.faults.memory FACTORY DOCS

prints what there is more at the end than after a fifth of the docs: kilobytes of memory, strings
of the vocabulary, Python's objects. All docs have words that no other has.
"""

import ctypes
import gc
import sys
from itertools import islice

import torch

from tests.helpers import char_embed_model, make_nlp

STOCK_MODEL = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 16,
    "maxout_pieces": 2,
    "use_upper": True,
    "tok2vec": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": 16,
        "depth": 1,
        "embed_size": 500,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
        "pretrained_vectors": None,
    },
}
AT_ONCE = 1000  # docs of a memory zone: spaCy lets go of words at its end, and never without one


def in_use(nlp):
    """Kilobytes, strings, objects."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)  # or what was freed would count
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS")]
    return [int(line.split()[1]), len(nlp.vocab.strings), len(gc.get_objects())]


def main(factory, n_docs):
    torch.set_num_threads(1)
    nlp = make_nlp(factory, model=char_embed_model(width=16) if factory != "ner" else STOCK_MODEL)
    texts = (f"Who is Khan{i} of Berlin{i}?" for i in range(n_docs))
    seen, before = 0, None
    while part := list(islice(texts, AT_ONCE)):
        with nlp.memory_zone():
            seen += sum(1 for doc in nlp.pipe(part) if doc.has_annotation("ENT_IOB"))
        if before is None and seen >= n_docs / 5:
            before = in_use(nlp)
    assert seen == n_docs
    print(*(now - then for now, then in zip(in_use(nlp), before)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
