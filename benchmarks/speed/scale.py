"""Time and memory of prediction against the length of a doc, the batch, the number of labels.

    python -m benchmarks.speed.scale

Each case has a process of its own, with one thread. Words are drawn from 20,000 by Zipf's law and
have random vectors; the network has the sizes of configs/glove_char_cnn.cfg and random weights, so
that there are entities. Memory is what the process came to need above what it had with the model
loaded and the docs made (Linux alone tells). Beside many labels stands spaCy's own `ner` of its
default config.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, load_config

from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT

N_WORDS = 20_000
DOC_LENGTHS = [1_000, 10_000, 100_000, 1_000_000]
BATCHES = [1, 32, 256, 2048]  # docs of 25 tokens
LABELS = [4, 18, 66]
MANY_LABELS = [300, 1_000]
DOCS_OF_MANY_LABELS = [19] * 1_000
OURS, STOCK = "bilstm_crf_ner", "ner"
ROUNDS = 3


def pipeline(n_labels: int, factory: str = OURS) -> spacy.Language:
    """The recogniser of the config, or spaCy's own, with random weights, always the same."""
    fix_random_seed(0)
    config = load_config(ROOT / "configs" / "glove_char_cnn.cfg", interpolate=False)
    nlp = spacy.blank("en")
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(N_WORDS)]
    vocab: Any = nlp.vocab  # whose stubs take less than it does
    vocab.reset_vectors(shape=(N_WORDS, 100))
    for word in words:
        vocab.set_vector(word, rng.normal(size=100).astype("float32"))
    settings = {"model": config["components"]["ner"]["model"]} if factory == OURS else {}
    ner: Any = nlp.add_pipe(factory, name="ner", config=settings)
    for i in range(n_labels):
        ner.add_label(f"LABEL{i}")
    example = Example.from_dict(nlp.make_doc(words[0]), {"entities": []})
    nlp.initialize(lambda: [example])
    if factory == STOCK:
        return nlp
    network = ner.model.get_ref("output_layer").shims[0]._model
    for parameter in (network.emissions.weight, network.transitions):
        torch.nn.init.normal_(parameter.data)
    return nlp


def docs_of(nlp: spacy.Language, lengths: list[int]) -> list[Doc]:
    """Docs of random words."""
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(N_WORDS)]
    ranks = [np.minimum(rng.zipf(1.2, length), N_WORDS) - 1 for length in lengths]
    return [Doc(nlp.vocab, words=[words[i] for i in rank]) for rank in ranks]


def memory(what: str) -> float:
    """What this process needs, in MB: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1000


def measure(n_labels: int, lengths: list[int], factory: str) -> dict[str, float]:
    """In a process of its own: seconds and MB of predicting docs of these lengths."""
    torch.set_num_threads(1)
    nlp = pipeline(n_labels, factory)
    ner: Any = nlp.get_pipe("ner")
    warm_up = docs_of(nlp, [30] * 20)
    ner.set_annotations(warm_up, ner.predict(warm_up))
    docs = docs_of(nlp, lengths)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    start = time.perf_counter()
    ner.set_annotations(docs, ner.predict(docs))
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mb": memory("VmHWM") - before,
        "entities": sum(len(doc.ents) for doc in docs),
    }


def in_own_process(n_labels: int, lengths: list[int], factory: str = OURS) -> dict[str, float]:
    """What `measure` finds in a process of its own."""
    case = json.dumps([n_labels, lengths, factory])
    printed = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.scale", case],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    ).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def case(n_labels: int, lengths: list[int]) -> dict[str, Any]:
    """Medians over processes."""
    row = _row(n_labels, lengths, [in_own_process(n_labels, lengths) for _ in range(ROUNDS)])
    print(row)
    return row


def beside_stock(n_labels: int, lengths: list[int]) -> dict[str, Any]:
    """Medians over processes, ours and spaCy's own in turns."""
    rounds = [
        {factory: in_own_process(n_labels, lengths, factory) for factory in (OURS, STOCK)}
        for _ in range(ROUNDS)
    ]
    row = _row(n_labels, lengths, [each[OURS] for each in rounds])
    ratios = [each[STOCK]["seconds"] / each[OURS]["seconds"] for each in rounds]
    row["stock_takes_times_as_long"] = spread(ratios)
    row["stock_peak_mb"] = statistics.median(each[STOCK]["peak_mb"] for each in rounds)
    print(row)
    return row


def _row(n_labels: int, lengths: list[int], found: list[dict[str, float]]) -> dict[str, Any]:
    median = {key: statistics.median(each[key] for each in found) for key in found[0]}
    row = {"labels": n_labels, "docs": len(lengths), "tokens": sum(lengths), **median}
    row["words_a_second"] = row["tokens"] / row["seconds"]
    return row


def main() -> None:
    """Measure all cases."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
        return
    by_length = [case(4, [length]) for length in DOC_LENGTHS]
    by_batch = [case(4, [25] * batch) for batch in BATCHES]
    by_labels = [case(n_labels, [100] * 100) for n_labels in LABELS]
    many_labels = [beside_stock(n_labels, DOCS_OF_MANY_LABELS) for n_labels in MANY_LABELS]
    longest, shorter = by_length[-1], by_length[-2]
    result = {
        "threads": 1,
        **machine("spacy", "thinc", "torch"),
        "by_doc_length": by_length,
        "by_batch": by_batch,
        "by_labels": by_labels,
        "many_labels": many_labels,
        "longest_doc_takes_times_as_long": longest["seconds"] / shorter["seconds"],
    }
    write("scale", result)


if __name__ == "__main__":
    main()
