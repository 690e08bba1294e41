"""Learn from data in which a share of the entities is not annotated, in several ways.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.partial.run METHOD [--shares 20 50 80] [--seeds 0] [--vectors FOLDER]
    python -m benchmarks.tables    (puts the results into README and docs)

Each seed deletes other entities of the training part; development and test part stay whole. The
methods: `outside`, the deleted ones count as no entities, which is what people do; `missing`,
nothing is said about their tokens; `rate`, nothing is said about any token but those of the
entities that are left, and `entity_ratio` says how many to expect; `ner-missing`, spaCy's
`ner` given `missing`. Results go to benchmarks/partial/results/.
"""

import argparse
import random
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin
from spacy.util import load_config

from benchmarks.accuracy.run import LIKELY, steps
from benchmarks.trainings import (
    ROOT,
    Results,
    Run,
    config_path,
    docs_of,
    processor,
    scored,
    summary,
    train,
)

RESULTS = Path(__file__).parent / "results"
DATASET = "ncbi-disease"
METHODS = ("outside", "missing", "rate", "ner-missing")
# Of the settings of configs/glove_char_cnn.cfg; the rows of the accuracy table train longer
OVERRIDES = {**steps(4500), **LIKELY, "training.eval_frequency": 270}


def delete(docs: list[Doc], percent: int, method: str, seed: int) -> None:
    """Delete a share of the entities, chosen at random, from the docs."""
    entities = [(i, j) for i, doc in enumerate(docs) for j in range(len(doc.ents))]
    deleted = set(random.Random(seed).sample(entities, round(percent / 100 * len(entities))))
    for i, doc in enumerate(docs):
        left = [ent for j, ent in enumerate(doc.ents) if (i, j) not in deleted]
        gone = [ent for j, ent in enumerate(doc.ents) if (i, j) in deleted]
        if method == "rate":
            doc.set_ents(left, default="missing")
        else:
            missing = [] if method == "outside" else gone
            doc.set_ents(left, missing=missing, default="outside")


def entity_rate(docs: list[Doc]) -> float:
    """The share of tokens that are in entities."""
    return sum(len(ent) for doc in docs for ent in doc.ents) / sum(map(len, docs))


def run(method: str, percent: int, seed: int, paths: dict[str, str], folder: Path) -> Run:
    """Train and score one model."""
    data, part = ROOT / "corpus" / DATASET, folder / f"{percent}-{seed}"
    docs = docs_of(data / "train")
    delete(docs, percent, method, seed)
    (part / "train").mkdir(parents=True)
    DocBin(docs=docs).to_disk(part / "train" / "train.spacy")
    for name in ("dev", "test"):
        (part / name).symlink_to((data / name).resolve())
    is_stock = method == "ner-missing"
    config = load_config(config_path(None if is_stock else "glove_char_cnn", folder))
    if method == "rate":
        # What is to be expected is known from the development part
        rate = {"rate": entity_rate(docs_of(data / "dev")), "margin": 0.01, "weight": 10.0}
        config["components"]["ner"]["entity_ratio"] = rate
    config.to_disk(part / "config.cfg")
    overrides = {} if is_stock else OVERRIDES
    paths = {"train": str(part / "train"), "dev": str(part / "dev"), **paths}
    trained = train(part / "config.cfg", paths, seed, overrides, part / "training")
    return {
        "percent": percent,
        "seed": seed,
        "processor": processor(),
        **scored(trained.model, part),
    }


def f_by_share(runs: list[Run]) -> dict[str, Any]:
    """F of the test part by share, over the seeds."""
    by_share = {
        str(share): summary([run["test_f"] for run in runs if run["percent"] == share])
        for share in sorted({run["percent"] for run in runs})
    }
    return {"test_f": by_share}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--shares", nargs="+", type=int, default=[20, 50, 80])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--vectors")
    arguments = parser.parse_args()
    paths = {"vectors": arguments.vectors} if arguments.vectors else {}
    settings = {"method": arguments.method, "dataset": DATASET}
    path = RESULTS / f"{arguments.method}.json"
    results = Results(path, settings, ["seed", "percent"], f_by_share)
    with tempfile.TemporaryDirectory(prefix=f"partial-{arguments.method}-") as temporary:
        for seed, percent in product(arguments.seeds, arguments.shares):
            if not results.has(seed, percent):
                done = run(arguments.method, percent, seed, paths, Path(temporary))
                results.add(done)
                print(done)


if __name__ == "__main__":
    main()
