"""What pre-training on raw text is worth, by the share of the labels.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m spacy pretrain configs/pretrained.cfg weights/ours --paths.raw_text raw.jsonl
        --paths.vectors training/vectors/glove-6b-100d-20k --pretraining.max_epochs 3
    python -m benchmarks.pretraining.run "next and previous words=weights/ours/model-last.bin"
        [--shares 10 100] [--seeds 0 1 2] [--steps 2000]

Each NAME=FILE is a way to begin; "none" is always one. NAME=FOLDER begins with other word vectors,
which `spacy init vectors` made of the raw text (docs/pretraining.md). A seed draws the sentences of
a share. The config is configs/pretrained.cfg; the model of each training is the one that is best on
dev. One thread. Results go to benchmarks/pretraining/results/ncbi-disease.json as they come; what
is there is not run again.
"""

import argparse
import random
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from spacy.tokens import DocBin

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

DATASET = "ncbi-disease"
CONFIG = ROOT / "configs" / "pretrained.cfg"
RESULTS = Path(__file__).parent / "results"
NONE = "none"


def run(share: int, seed: int, begun: Path | None, steps: int, vectors: Path) -> Run:
    """Train and score one model, begun with weights or with other vectors."""
    data = ROOT / "corpus" / DATASET
    docs = docs_of(data / "train")
    random.Random(seed).shuffle(docs)
    docs = docs[: round(share / 100 * len(docs))]
    with tempfile.TemporaryDirectory(prefix="pretraining-") as temporary:
        part = Path(temporary) / "train.spacy"
        DocBin(docs=docs, store_user_data=True).to_disk(part)
        paths = {"train": part, "dev": data / "dev", "vectors": vectors}
        if begun is not None:
            paths["vectors" if begun.is_dir() else "init_tok2vec"] = begun.resolve()
        out = Path(temporary) / "out"
        model, evaluations, cpu_seconds = train(CONFIG, paths, seed, length(steps), out)
        return {
            "sentences": len(docs),
            "processor": processor(),
            "cpu_seconds": round(cpu_seconds),
            "best_step": max(evaluations, key=lambda entry: entry["score"])["step"],
            **scored(model, data, batch_size=256),
        }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation of F, for each share and beginning."""
    return summaries_of(runs, ("share", "begun"), ("dev_f", "test_f"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("begun", nargs="*", metavar="NAME=PATH")
    parser.add_argument("--shares", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    given = parser.parse_args()
    ways: dict[str, Path | None] = {NONE: None}
    for way in given.begun:
        name, path = way.split("=", 1)
        ways[name] = Path(path)
    settings = {"dataset": DATASET, "steps": given.steps, "vectors": given.vectors.name}
    results = Results(RESULTS / f"{DATASET}.json", settings, ["share", "begun", "seed"], summaries)
    for share, seed, (name, begun) in product(given.shares, given.seeds, ways.items()):
        if not results.has(share, name, seed):
            cell = {"share": share, "begun": name, "seed": seed}
            results.add({**cell, **run(share, seed, begun, given.steps, given.vectors)})
            print(cell, flush=True)


if __name__ == "__main__":
    main()
