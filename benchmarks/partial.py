"""Learning from data in which a share of the entities is not annotated, in several ways.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.partial METHOD [--share 20 --share 50] [--seed 0] [--vectors FOLDER]

Each seed deletes other entities of the training part; development and test part stay whole. The
methods:

- `outside`: the deleted entities count as no entities, as in common practice;
- `missing`: the annotation says nothing about their tokens;
- `rate`: it says nothing about any token but those of the entities that are left, and
  `entity_ratio` says how many to expect;
- `ner-missing`: spaCy's `ner` on the data of `missing`.

Results go to benchmarks/partial/results/METHOD.json.
"""

import random
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.tokens import Doc
from spacy.util import load_config

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, grouped, read, summary
from benchmarks.harness.training import (
    LIKELY,
    config_path,
    docs_of,
    length,
    scored,
    train,
    write_docs,
)

DATASET = "ncbi-disease"
METHODS = {
    "outside": "they count as no entities",
    "missing": "their tokens are missing",
    "rate": "all tokens but those of known entities are missing, `entity_ratio`",
    "ner-missing": "stock `ner`, their tokens are missing",
}
STOCK = "ner-missing"
SHARES = [20, 50, 80]  # percent of the entities
# Of configs/glove_char_cnn.cfg; the rows of the accuracy table train longer
OVERRIDES = {**length(4500), **LIKELY, "training.eval_frequency": 270}


def delete(docs: list[Doc], percent: int, method: str, seed: int) -> None:
    """Delete a random share of the entities from the docs."""
    entities = [(i, j) for i, doc in enumerate(docs) for j in range(len(doc.ents))]
    deleted = set(random.Random(seed).sample(entities, round(percent / 100 * len(entities))))
    for i, doc in enumerate(docs):
        left = [ent for j, ent in enumerate(doc.ents) if (i, j) not in deleted]
        gone = [ent for j, ent in enumerate(doc.ents) if (i, j) in deleted]
        if method == "rate":
            doc.set_ents(left, default="missing")
        else:
            doc.set_ents(left, missing=[] if method == "outside" else gone, default="outside")


def entity_rate(docs: list[Doc]) -> float:
    """Return the share of tokens that are in entities."""
    return sum(len(ent) for doc in docs for ent in doc.ents) / sum(map(len, docs))


def run(method: str, percent: int, seed: int, vectors: Path | None, folder: Path) -> Run:
    """Train and score one model."""
    data, out = CORPUS / DATASET, folder / f"{percent}-{seed}"
    docs = docs_of(data / "train")
    delete(docs, percent, method, seed)
    out.mkdir()
    config = load_config(config_path(None if method == STOCK else "glove_char_cnn", folder))
    if method == "rate":
        # What is to be expected is known from the development part
        rate = {"rate": entity_rate(docs_of(data / "dev")), "margin": 0.01, "weight": 10.0}
        config["components"]["ner"]["entity_ratio"] = rate
    config.to_disk(out / "config.cfg")
    paths = {"train": write_docs(docs, out / "train.spacy"), "dev": data / "dev"}
    if vectors is not None:
        paths["vectors"] = vectors
    overrides = {} if method == STOCK else OVERRIDES
    return scored(train(out / "config.cfg", paths, seed, overrides, out / "training").model, data)


def f_by_share(runs: list[Run]) -> dict[str, Any]:
    """Summarise F of the test part by share, over the seeds."""
    by_share = sorted(grouped(runs, "percent").items())
    return {
        "test_f": {
            str(percent): summary([run["test_f"] for run in of_share])
            for (percent,), of_share in by_share
        }
    }


def main(
    method: Annotated[str, typer.Argument(**command.one_of(METHODS))],
    shares: Annotated[list[int], typer.Option("--share", help="Percent to delete")] = SHARES,
    seeds: command.Seeds = command.ONE_SEED,
    vectors: command.MaybeVectors = None,
) -> None:
    """Run what the method's file lacks."""
    settings = {"method": method, "dataset": DATASET}
    file = Results(
        results_of("partial") / f"{method}.json", settings, ["seed", "percent"], f_by_share
    )
    with temporary_folder(f"partial-{method}-") as folder:
        file.fill(
            product(seeds, shares),
            lambda seed, percent: run(method, percent, seed, vectors, folder),
        )


def table() -> str:
    """Make the table of F by how many entities are not annotated, and by method."""
    rows = [["of the unannotated entities", *(f"{share} % unannotated" for share in SHARES)]]
    results = []
    for method, words in METHODS.items():
        result = read("partial", method)
        results.append(result)
        n_runs = {share: len(runs) for (share,), runs in grouped(result["runs"], "percent").items()}
        f = result["test_f"]
        numbers = [
            tables.with_seeds(f[str(share)], n_runs[share]) if share in n_runs else "-"
            for share in SHARES
        ]
        rows.append([f"{words}{tables.unrecorded([result])}", *numbers])
    return tables.markdown(*rows) + tables.measured(results)


TABLES = {"partial": table}

if __name__ == "__main__":
    command.run(main)
