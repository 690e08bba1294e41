"""What an encoder gives that has learned from raw text, by data set and number of sentences.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.encoder.config out.cfg [--states STATES --words]  # the objective
    python -m spacy pretrain out.cfg weights --code benchmarks/encoder/objectives.py
        --paths.raw_text texts.jsonl --paths.vectors training/vectors/glove-6b-100d-20k
    python -m benchmarks.encoder.accuracy [NAME=weights/model2.bin ...]
        [--dataset wnut17] [--size 200] [--seed 0]

Each NAME=FILE is a way to start; "none" is always one: what `init-config --vectors glove` writes.
The others have the same network and settings, with the encoder's weights to start from. A seed
draws the sentences of a part and starts the training, so all ways see the same sentences. The
model is the one that is best on dev. One thread. Results go to files in benchmarks/encoder/results/
by NAME. Runs that a file has are not made again.
"""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from thinc.api import Config

from benchmarks.data_size import keys_of, our_config, over_seeds, run
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CONFIGS, VECTORS, results_of
from benchmarks.harness.results import Results, Run, grouped, read_all
from benchmarks.harness.training import Overrides

STUDY = "encoder"
DATASETS = ["wnut17", "ncbi-disease", "sec-filings", "four-domains"]
SIZES = [1000, 200, 0]
PRETRAINED = CONFIGS / "pretrained.cfg"
WHOLE = "four-domains"  # which has fewer than 1,000 sentences: its whole stands beside 1,000
PARTS = {"dev": "dev_f", "test": "test_f"}


def with_encoder(path: Path, weights: Path) -> None:
    """Put the embedding and the LSTM of a config into an encoder that starts from weights."""
    config = Config().from_disk(path, interpolate=False)
    model = config["components"]["ner"]["model"]
    shared = ("hidden_width", "depth", "dropout", "locked_dropout", "by_sentence")
    encoder = {name: model[name] for name in shared}
    model["tok2vec"] = {
        "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
        **encoder,
        "embed": model["tok2vec"],
    }
    model["depth"] = 0
    pretrained = Config().from_disk(PRETRAINED, interpolate=False)
    config["pretraining"] = pretrained["pretraining"]
    config["corpora"]["pretrain"] = pretrained["corpora"]["pretrain"]
    config["paths"] |= {"init_tok2vec": str(weights), "raw_text": None}
    config["initialize"]["init_tok2vec"] = "${paths.init_tok2vec}"
    config.to_disk(path)


def write_config(weights: Path | None, dataset: str, part: Path, out: Path) -> Overrides:
    """Write what `init-config` makes for a part, with the encoder if there are weights."""
    overrides = our_config(None, dataset, part, out, VECTORS)
    if weights is not None:
        with_encoder(out, weights)
    return overrides


def main(
    begun: command.Begun = None,
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    sizes: Annotated[list[int], typer.Option("--size", help="Sentences; 0 is all")] = SIZES,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the files lack."""
    ways = command.ways_of(begun)
    keys = keys_of(datasets, sizes, seeds)
    for name, weights in ways.items():
        settings: dict[str, Any] = {"begun": name, "vectors": VECTORS.name}
        file = Results(results_of(STUDY) / f"{name}.json", settings, ["dataset", "size", "seed"])
        file.fill(keys, partial(run, partial(write_config, weights)), jobs)


def size_in_table(run: Run) -> int:
    """Return the number of sentences that a run's row of the table has."""
    is_whole = (run["dataset"], run["size"]) == (WHOLE, 0)
    return 1000 if is_whole else run["size"]


def gain_of(runs: list[Run], others: list[Run], score: str) -> str:
    """Write the mean over the data sets of the differences between two ways to start.

    Only pairs of runs count that have seen the same sentences.
    """
    of_others = {(run["dataset"], run["seed"]): run[score] for run in others}
    paired = [run for run in runs if (run["dataset"], run["seed"]) in of_others]
    gains = [
        statistics.mean(run[score] - of_others[dataset, run["seed"]] for run in of_set)
        for (dataset,), of_set in grouped(paired, "dataset").items()
    ]
    return f"{statistics.mean(gains):+.1f}" if gains else ""


def rows_of(size: int, ways: dict[str, list[Run]]) -> Iterator[list[str]]:
    """Yield the rows of a number of sentences."""
    for part, score in PARTS.items():
        for way, runs in ways.items():
            of_sets = grouped(runs, "dataset")
            means = [
                over_seeds(of_sets[(dataset,)], score) if (dataset,) in of_sets else ""
                for dataset in DATASETS
            ]
            gain = "" if way == command.NONE else gain_of(runs, ways.get(command.NONE, []), score)
            yield [f"{size:,}" if size else "all", way, part, gain, *means]


def table() -> str:
    """Make the table of F by number of sentences, way to start and data set."""
    results = read_all(STUDY)
    found: dict[int, dict[str, list[Run]]] = {}
    for result in sorted(results, key=lambda result: result["begun"] != command.NONE):
        for each in result["runs"]:
            of_size = found.setdefault(size_in_table(each), {})
            of_size.setdefault(result["begun"], []).append(each)
    head = ["sentences", "begun with", "F on", "mean gain", *DATASETS]
    rows = [row for size in SIZES if size in found for row in rows_of(size, found[size])]
    whole = f"Of {WHOLE}, which has 620 sentences, all stand in the rows of 1,000."
    return tables.markdown(head, *rows) + tables.measured(results, whole)


TABLES = {"pretraining_general": table}

if __name__ == "__main__":
    command.run(main)
