"""Learning curves: which sentences `select` says to annotate next, against random ones.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.selection.run [--datasets ncbi-disease wnut17] [--seeds 0 1 2]
        [--strategies random entropy ...] [--steps 1000] [--vectors FOLDER]

A seed draws 5 % of the sentences. A model is trained on them and says which to add up to the next
share; a new one is trained on those, and so on to 50 %. `random` adds sentences without looking.
All strategies of a seed start from the same sentences and the same model. The config is
configs/bilstm_crf.cfg; the model of each round is the one that is best on dev. One thread. Results
go to benchmarks/selection/results/DATASET.json as they come; what is there is not run again.
"""

import argparse
import random
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc, DocBin

from benchmarks.trainings import (
    ROOT,
    VECTORS,
    Results,
    Run,
    docs_of,
    length,
    processor,
    scored,
    summaries_of,
    train,
)
from benchmarks.tune.run import CONFIG
from spacy_bilstm_crf.data.texts import Text
from spacy_bilstm_crf.workflows import select
from spacy_bilstm_crf.workflows.select import STRATEGIES

RESULTS = Path(__file__).parent / "results"
DATASETS = ("ncbi-disease", "wnut17")
SHARES = (5, 10, 20, 35, 50)  # percent of the sentences


class Pool:
    """The sentences of a data set's training part, of which a seed chooses the first."""

    def __init__(self, dataset: str, seed: int) -> None:
        self.data = ROOT / "corpus" / dataset
        self.docs = docs_of(self.data / "train")
        self.order = list(range(len(self.docs)))
        random.Random(seed).shuffle(self.order)

    def n_at(self, share: int) -> int:
        """How many sentences a share is."""
        return round(share / 100 * len(self.docs))

    def more(self, strategy: str, chosen: list[int], share: int, model: Path) -> list[int]:
        """The chosen sentences and those to annotate next, by their places."""
        n = self.n_at(share) - len(chosen)
        taken = set(chosen)
        left = [place for place in self.order if place not in taken]
        if strategy == "random":
            return chosen + left[:n]
        known = [self.docs[place] for place in chosen]
        docs = [self.docs[place] for place in left]
        texts = [Text(doc.text, words=[token.text for token in doc]) for doc in docs]
        found = select(spacy.load(model), texts, n, strategy=strategy, exclude=known)
        return chosen + [left[one.place] for one in found.suggestions]


def run(pool: Pool, chosen: list[int], seed: int, steps: int, vectors: Path, out: Path) -> Run:
    """Train a model on the chosen sentences; its folder is OUT/model-best."""
    docs: list[Doc] = [pool.docs[place] for place in chosen]
    DocBin(docs=docs, store_user_data=True).to_disk(out.with_suffix(".spacy"))
    paths = {"train": out.with_suffix(".spacy"), "dev": pool.data / "dev", "vectors": vectors}
    overrides = {**length(steps), "training.eval_frequency": steps // 10}
    model, evaluations, cpu_seconds = train(CONFIG, paths, seed, overrides, out)
    return {
        "sentences": len(docs),
        "words": sum(map(len, docs)),
        "entities": sum(len(doc.ents) for doc in docs),
        "processor": processor(),
        "cpu_seconds": round(cpu_seconds),
        "best_step": max(evaluations, key=lambda entry: entry["score"])["step"],
        **scored(model, pool.data, batch_size=256),
    }


def curves(dataset: str, seed: int, strategies: Sequence[str], steps: int, vectors: Path) -> None:
    """Run the strategies, each from the smallest share to the largest."""
    settings = {"dataset": dataset, "steps": steps, "vectors": vectors.name}
    path = RESULTS / f"{dataset}.json"
    results = Results(path, settings, ["seed", "strategy", "share"], summaries)
    strategies = [s for s in strategies if not all(results.has(seed, s, x) for x in SHARES)]
    if not strategies:
        return
    pool = Pool(dataset, seed)
    with tempfile.TemporaryDirectory(prefix=f"selection-{dataset}-") as temporary:
        first = Path(temporary) / "first"
        start = pool.more("random", [], SHARES[0], first)
        done = run(pool, start, seed, steps, vectors, first)
        for strategy in strategies:
            results.add({"seed": seed, "strategy": strategy, "share": SHARES[0], **done})
            chosen, model = start, first / "model-best"
            for share in SHARES[1:]:
                chosen = pool.more(strategy, chosen, share, model)
                out = Path(temporary) / f"{strategy}-{share}"
                cell = {"seed": seed, "strategy": strategy, "share": share}
                results.add({**cell, **run(pool, chosen, seed, steps, vectors, out)})
                print(dataset, cell, flush=True)
                model = out / "model-best"


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation of F over the seeds, for each strategy and share."""
    return summaries_of(runs, ("strategy", "share"), ("dev_f", "test_f", "words", "entities"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    strategies = ("random", *STRATEGIES)
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", default=strategies, choices=strategies)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    given = parser.parse_args()
    for seed, dataset in product(given.seeds, given.datasets):
        curves(dataset, seed, given.strategies, given.steps, given.vectors)


if __name__ == "__main__":
    main()
