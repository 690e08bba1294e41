"""Train a system on parts of data sets, from 200 sentences up, and write what came out.

    python -m benchmarks.data_size.run SYSTEM [--datasets wnut17 ...] [--sizes 200 1000 0]
        [--seeds 0 1 2] [--jobs 2]

Size 0 is the whole. A seed draws the sentences of a part and starts the training, so that the
systems of one seed see the same sentences. The dev and test parts are always whole; the model is
the one that is best on dev. Without word vectors. One thread a training. Results go to
benchmarks/data_size/results/SYSTEM.json as they come; those that are there are not run again.
"""

import argparse
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus

from benchmarks import trainings
from benchmarks.trainings import ROOT, VECTORS, Results, Run, processor, scored, spacy_command

RESULTS = Path(__file__).parent / "results"
LANGUAGES = {"german-ler": "de"}
CELL = ["dataset", "size", "seed"]
DATASETS = ("four-domains", "wnut17", "ncbi-disease", "sec-filings", "german-ler")


def write_part(dataset: str, size: int, seed: int, out: Path) -> int:
    """Write documents with `size` sentences in all, or all for 0; returns the number written."""
    nlp = spacy.blank(LANGUAGES.get(dataset, "en"))
    docs = [example.reference for example in Corpus(ROOT / "corpus" / dataset / "train")(nlp)]
    if size:
        random.Random(seed).shuffle(docs)
    kept = DocBin()
    n_sentences = 0
    for doc in docs:
        if size and n_sentences >= size:
            break
        kept.add(doc)
        n_sentences += len(list(doc.sents)) if doc.has_annotation("SENT_START") else 1
    kept.to_disk(out)
    return n_sentences


def stock_config(optimize: str, dataset: str, train: Path, out: Path) -> dict[str, Any]:
    """The stock `ner` as spaCy's own efficiency or accuracy config has it."""
    trainings.stock_config(out, optimize, LANGUAGES.get(dataset, "en"))
    return {} if optimize == "efficiency" else {"paths.vectors": VECTORS}


def our_config(steps: int | None, dataset: str, train: Path, out: Path) -> dict[str, Any]:
    """What `init-config` writes for the part, with its number of steps or another."""
    lang = LANGUAGES.get(dataset, "en")
    spacy_command("bilstm-crf", "init-config", out, "--train", train, "--lang", lang)
    if steps is None:
        return {}
    return {
        "training.max_steps": steps,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.eval_frequency": steps // 20,
    }


def lists_config(dropout: float, dataset: str, train: Path, out: Path) -> dict[str, Any]:
    """The same with the data set's lists of names, of whose spans training overlooks a share."""
    patterns = ROOT / "corpus" / dataset / "patterns.jsonl"
    options = ("--train", train, "--lang", LANGUAGES.get(dataset, "en"), "--patterns", patterns)
    spacy_command("bilstm-crf", "init-config", out, *options)
    return {"components.ner.model.tok2vec.span_dropout": dropout}


# Each writes a config and returns the overrides that go with it
SYSTEMS: dict[str, Callable[[str, Path, Path], dict[str, Any]]] = {
    "ner": partial(stock_config, "efficiency"),
    "ner-vectors": partial(stock_config, "accuracy"),
    "init-config": partial(our_config, None),
    "steps-21000": partial(our_config, 21000),
    "lists": partial(lists_config, 0.2),
    "lists-0": partial(lists_config, 0.0),
}


def run(system: str, dataset: str, size: int, seed: int) -> Run:
    """Train and score one system on one part of one data set."""
    with tempfile.TemporaryDirectory(prefix=f"{system}-{dataset}-{size}-") as temporary:
        folder = Path(temporary)
        part = folder / "train.spacy"
        n_sentences = write_part(dataset, size, seed, part)
        overrides = SYSTEMS[system](dataset, part, folder / "config.cfg")
        data = ROOT / "corpus" / dataset
        paths = {"train": part, "dev": data / "dev"}
        model, evaluations, cpu_seconds = trainings.train(
            folder / "config.cfg", paths, seed, overrides, folder / "out"
        )
        return {
            "dataset": dataset,
            "size": size,
            "seed": seed,
            "processor": processor(),
            "sentences": n_sentences,
            "cpu_seconds": round(cpu_seconds, 1),
            "steps": evaluations[-1]["step"],
            "best_step": max(evaluations, key=lambda entry: entry["score"])["step"],
            **scored(model, data, batch_size=256),
        }


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 0, 200])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    path, settings = RESULTS / f"{arguments.system}.json", {"system": arguments.system}
    results = Results(path, settings, CELL)

    def add(cell: tuple[str, int, int]) -> None:
        done = run(arguments.system, *cell)
        results.add(done)
        print(done, flush=True)

    cells = [
        (dataset, size, seed)
        for size, seed, dataset in product(arguments.sizes, arguments.seeds, arguments.datasets)
        if not (dataset == "four-domains" and size == 1000) and not results.has(dataset, size, seed)
    ]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(add, cells))


if __name__ == "__main__":
    main()
