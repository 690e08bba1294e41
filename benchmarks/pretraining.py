"""What pre-training on raw text is worth, by the share of the labels.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m spacy pretrain configs/pretrained.cfg weights/ours --paths.raw_text raw.jsonl
        --paths.vectors training/vectors/glove-6b-100d-20k --pretraining.max_epochs 3
    python -m benchmarks.pretraining "next and previous words=weights/ours/model-last.bin"
        [--share 10 --share 100] [--seed 0 --seed 1] [--steps 2000]

Each NAME=FILE is a way to start; "none" is always one. NAME=FOLDER starts from other word vectors,
which `spacy init vectors` made of the raw text (docs/how-to/pretrain.md). A seed draws the
sentences of a share. The config is configs/pretrained.cfg; the model of each training is the one
that is best on dev. One thread. Results go to benchmarks/pretraining/results/ncbi-disease.json.
Runs that the file has are not made again.
"""

import random
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CONFIGS, CORPUS, VECTORS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import docs_of, length, scored, train, write_docs

DATASET = "ncbi-disease"
CONFIG = CONFIGS / "pretrained.cfg"
SHARES = [10, 100]  # percent of the sentences


def run(share: int, begun: Path | None, seed: int, steps: int, vectors: Path) -> Run:
    """Train and score one model, started from weights or from other vectors."""
    data = CORPUS / DATASET
    docs = docs_of(data / "train")
    random.Random(seed).shuffle(docs)
    docs = docs[: round(share / 100 * len(docs))]
    with temporary_folder("pretraining-") as folder:
        part = write_docs(docs, folder / "train.spacy")
        paths = {"train": part, "dev": data / "dev", "vectors": vectors}
        if begun is not None:
            paths["vectors" if begun.is_dir() else "init_tok2vec"] = begun.resolve()
        done = train(CONFIG, paths, seed, length(steps), folder / "out")
        return {
            "sentences": len(docs),
            "cpu_seconds": round(done.cpu_seconds),
            "best_step": done.best_step,
            **scored(done.model, data),
        }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise F by share and way to start."""
    return summaries_of(runs, ("share", "begun"), ("dev_f", "test_f"))


def main(
    begun: command.Begun = None,
    shares: Annotated[list[int], typer.Option("--share", help="Percent of the labels")] = SHARES,
    seeds: command.Seeds = command.ALL_SEEDS,
    steps: command.Steps = 2000,
    vectors: command.Vectors = VECTORS,
) -> None:
    """Run what the file lacks."""
    ways = command.ways_of(begun)
    settings = {"dataset": DATASET, "steps": steps, "vectors": vectors.name}
    key = ["share", "begun", "seed"]
    file = Results(results_of("pretraining") / f"{DATASET}.json", settings, key, summaries)
    file.fill(
        [(share, name, seed) for share, seed, name in product(shares, seeds, ways)],
        lambda share, name, seed: run(share, ways[name], seed, steps, vectors),
    )


def table() -> str:
    """Make the table of F by share and way to start."""
    head = ["labels", "begun with", "seeds", "dev F", "test F"]
    results = read_all("pretraining")
    every_row = tables.summarised(results, "share", "begun")
    rows = [[f"{share} %", *others] for _, share, *others in every_row]
    return tables.markdown(head, *rows) + tables.measured(results)


TABLES = {"pretraining": table}

if __name__ == "__main__":
    command.run(main)
