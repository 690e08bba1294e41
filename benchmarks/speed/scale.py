"""Time and memory of prediction by the length of a doc, the batch, the number of labels.

    python -m benchmarks.speed.scale

Each case has a process of its own, with one thread. Words are drawn from 20,000 by Zipf's law and
have random vectors; the network has the sizes of configs/glove_char_cnn.cfg and random weights, so
that there are entities. Memory is the process's peak above what it had with the model loaded and
the docs made (only Linux tells). Many labels are measured beside spaCy's own `ner` of its default
config. Results go to benchmarks/speed/results/scale.json.
"""

import re
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, load_config

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import WITH_VECTORS, results_of
from benchmarks.harness.processes import in_own_process
from benchmarks.harness.results import machine, read, write

N_WORDS = 20_000
DOC_LENGTHS = [1_000, 10_000, 100_000, 1_000_000]
BATCHES = [1, 32, 256, 2048]  # docs of 25 tokens
LABELS = [4, 18, 66]
MANY_LABELS = [300, 1_000]
DOCS_OF_MANY_LABELS = [19] * 1_000
OURS, STOCK = "bilstm_crf_ner", "ner"


def pipeline(n_labels: int, factory: str = OURS) -> spacy.Language:
    """Make the recognizer of the config, or spaCy's own, with random weights, always the same."""
    fix_random_seed(0)
    config = load_config(WITH_VECTORS, interpolate=False)
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


def random_docs(nlp: spacy.Language, lengths: list[int]) -> list[Doc]:
    """Make docs of random words."""
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(N_WORDS)]
    ranks = [np.minimum(rng.zipf(1.2, length), N_WORDS) - 1 for length in lengths]
    return [Doc(nlp.vocab, words=[words[i] for i in rank]) for rank in ranks]


def memory(what: str) -> float:
    """Return the memory of this process in MB: VmRSS is now, VmHWM the peak."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1000


def measure(n_labels: int, lengths: list[int], factory: str) -> dict[str, float]:
    """Measure the seconds and MB of predicting docs of these lengths.

    Needs a process of its own.
    """
    torch.set_num_threads(1)
    nlp = pipeline(n_labels, factory)
    ner: Any = nlp.get_pipe("ner")
    warm_up = random_docs(nlp, [30] * 20)
    ner.set_annotations(warm_up, ner.predict(warm_up))
    docs = random_docs(nlp, lengths)
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


def case(
    n_labels: int, lengths: list[int], rounds: int, beside_stock: bool = False
) -> dict[str, Any]:
    """Return medians over processes; with spaCy's own, both take turns."""
    factories = (OURS, STOCK) if beside_stock else (OURS,)
    found: dict[str, list[dict[str, float]]] = {factory: [] for factory in factories}
    for _ in range(rounds):
        for factory in factories:
            found[factory].append(in_own_process(measure, n_labels, lengths, factory))
    ours = found[OURS]
    row: dict[str, Any] = {
        **{"labels": n_labels, "docs": len(lengths), "tokens": sum(lengths)},
        **{key: statistics.median(each[key] for each in ours) for key in ours[0]},
    }
    row["words_a_second"] = row["tokens"] / row["seconds"]
    if beside_stock:
        stock = found[STOCK]
        seconds = ([each["seconds"] for each in either] for either in (stock, ours))
        row["stock_takes_times_as_long"] = timing.ratio(*seconds)
        row["stock_peak_mb"] = statistics.median(each["peak_mb"] for each in stock)
    print(row, flush=True)
    return row


def main(
    rounds: command.Rounds = 3,
) -> None:
    """Measure all cases."""
    by_length = [case(4, [length], rounds) for length in DOC_LENGTHS]
    shorter, longest = by_length[-2:]
    result = {
        "threads": 1,
        **machine("spacy", "thinc", "torch"),
        "by_doc_length": by_length,
        "by_batch": [case(4, [25] * batch, rounds) for batch in BATCHES],
        "by_labels": [case(n_labels, [100] * 100, rounds) for n_labels in LABELS],
        "many_labels": [case(n, DOCS_OF_MANY_LABELS, rounds, True) for n in MANY_LABELS],
        "longest_doc_takes_times_as_long": longest["seconds"] / shorter["seconds"],
    }
    write(results_of("speed") / "scale.json", result)


def size_table() -> str:
    """Make the table of time and memory of prediction by size."""
    result = read("speed", "scale")
    rows = [["docs", "tokens in all", "labels", "words a second", "memory, MB"]]
    for part in ("by_doc_length", "by_batch", "by_labels"):
        for row in result[part]:
            numbers = [row[key] for key in ("docs", "tokens", "labels")]
            numbers += [round(row["words_a_second"], -2), row["peak_mb"]]
            rows.append([f"{number:,.0f}" for number in numbers])
    # What each further token of a long document costs, from the last two lengths
    shorter, longest = result["by_doc_length"][-2:]
    megabytes = longest["peak_mb"] - shorter["peak_mb"]
    bytes_a_token = 1e6 * megabytes / (longest["tokens"] - shorter["tokens"])
    lengths = f"From {shorter['tokens']:,} to {longest['tokens']:,} tokens"
    growth = f"{lengths} of one document, each further token takes {bytes_a_token:.0f} bytes."
    return tables.markdown(*rows) + tables.measured([result], growth)


def labels_table() -> str:
    """Make the table of many labels, beside the stock `ner`."""
    result = read("speed", "scale")
    rows = [["labels", "docs", "memory, MB", "the stock `ner`'s", "the stock `ner` takes"]]
    for row in result["many_labels"]:
        numbers = [row[key] for key in ("labels", "docs", "peak_mb", "stock_peak_mb")]
        against = tables.times(row["stock_takes_times_as_long"])
        rows.append([*(f"{number:,.0f}" for number in numbers), against])
    return tables.markdown(*rows) + tables.measured([result])


TABLES = {"scale": size_table, "many_labels": labels_table}

if __name__ == "__main__":
    command.run(main)
