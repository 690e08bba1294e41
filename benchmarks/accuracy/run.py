"""Train one row of the accuracy table with several seeds and write what came out.

    python -m benchmarks.accuracy.run ROW [--seeds 0 1 2] [--jobs 2] [--vectors FOLDER]
        [--transformer NAME_OR_FOLDER] [--models FOLDER] [--averaged]
    python -m benchmarks.tables    (puts the results into README and docs)

Each seed is a `spacy train` of its own with one thread; the model is the one that was best on
the development part, and the test part is scored once, with it. Scores are exact-match micro F
of entities. The data must be converted before:

    python -m spacy project run convert . --vars.dataset DATASET

`--vectors` is a folder that `spacy init vectors` made. Results go to
benchmarks/accuracy/results/ROW.json, seed by seed: seeds that are there already, with the same
settings, are kept and not trained again. `--averaged` scores the seeds as one model too, and writes
ROW-averaged.json; it needs the seeds' models, which `--models` keeps.
"""

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.trainings import ROOT, Results, Run, config_path, processor, scored, summary, train
from spacy_bilstm_crf.workflows import calibrate, ensemble

RESULTS = Path(__file__).parent / "results"


def steps(number: int) -> dict[str, int]:
    """Overrides for a training of another length than its config's."""
    return {"training.max_steps": number, "training.optimizer.learn_rate.total_steps": number}


# Best for F1 where that is about 0.9; half of what F1 is to be expected (docs/probabilities.md)
LIKELY = {"components.ner.threshold": 0.5}
# For WNUT-17, where F1 is about 0.5 on the development part
UNLIKELY_TOO = {"components.ner.threshold": 0.1}
# A word's probability, in any case, and its Brown cluster, in the tables of spacy-lookups-data
LOOKED_UP = {
    "initialize.lookups": {
        "@misc": "spacy.LookupsDataLoader.v1",
        "lang": "en",
        "tables": ["lexeme_prob", "lexeme_cluster"],
    },
    "components.ner.model.tok2vec.attrs": [
        "PROB",
        "LOWER_PROB",
        "TITLE_PROB",
        "UPPER_PROB",
        "CLUSTER",
    ],
}
# Chosen on development scores alone. A row with a `calibrated_threshold` is calibrated on the
# development part after training, so that its score there is that of data it was fitted to.
ROWS: dict[str, dict[str, Any]] = {
    "conll2003-glove_char_cnn": {
        "dataset": "conll2003",
        "config": "glove_char_cnn",
        "overrides": LIKELY,
    },
    "conll2003-glove_char_lstm": {
        "dataset": "conll2003",
        "config": "glove_char_lstm",
        "overrides": LIKELY,
    },
    "conll2003-lookups": {
        "dataset": "conll2003",
        "config": "glove_char_cnn",
        "overrides": {**LIKELY, **LOOKED_UP},
    },
    "conll2003-two-layers": {
        "dataset": "conll2003",
        "config": "glove_char_cnn",
        "overrides": {**LIKELY, "components.ner.model.depth": 2},
    },
    "conll2003-ner": {"dataset": "conll2003", "config": None},
    "wnut17-glove_char_cnn": {
        "dataset": "wnut17",
        "config": "glove_char_cnn",
        "overrides": {
            **steps(9000),
            **UNLIKELY_TOO,
            **LOOKED_UP,
            "training.eval_frequency": 340,
            "training.dropout": 0.5,
            "training.batcher.size": 10,
            "training.optimizer.learn_rate.initial_rate": 0.015,
        },
        "calibrated_threshold": 0.25,
    },
    "wnut17-transformer": {"dataset": "wnut17", "config": "transformer", "overrides": UNLIKELY_TOO},
    "wnut17-bilstm_crf": {"dataset": "wnut17", "config": "bilstm_crf"},
    "wnut17-ner": {"dataset": "wnut17", "config": None},
    "ncbi-disease-glove_char_cnn": {
        "dataset": "ncbi-disease",
        "config": "glove_char_cnn",
        "overrides": {**steps(9000), **LIKELY, "training.eval_frequency": 270},
    },
    "ncbi-disease-ner": {"dataset": "ncbi-disease", "config": None},
    "sec-filings-glove_char_cnn": {
        "dataset": "sec-filings",
        "config": "glove_char_cnn",
        "overrides": {**steps(2000), **LIKELY, "training.eval_frequency": 50},
    },
    "sec-filings-ner": {"dataset": "sec-filings", "config": None},
}


def run_seed(row: dict[str, Any], seed: int, paths: dict[str, str], folder: Path) -> Run:
    """Train and score one seed."""
    data = ROOT / "corpus" / row["dataset"]
    model, evaluations, _ = train(
        config_path(row["config"], folder),
        {"train": data / "train", "dev": data / "dev", **paths},
        seed,
        row.get("overrides", {}),
        folder / f"seed{seed}",
    )
    threshold = row.get("calibrated_threshold")
    if threshold is not None:
        calibrate(model, data / "dev").to_disk(model)
    curve = [
        {
            "step": entry["step"],
            "epoch": entry["epoch"],
            "loss": entry["losses"]["ner"],
            "dev_f": 100 * entry["score"],
        }
        for entry in evaluations
    ]
    best = max(curve, key=lambda entry: entry["dev_f"])
    return {
        "seed": seed,
        "processor": processor(),
        "best_step": best["step"],
        "best_epoch": best["epoch"],
        **scored(model, data, threshold=threshold),
        "curve": curve,
    }


def pretrained(name_or_folder: str) -> str:
    """What vectors or a transformer are called, without the folder they are in here."""
    hub_config = Path(name_or_folder) / "config.json"
    if hub_config.exists():
        return json.loads(hub_config.read_text())["_name_or_path"]
    return Path(name_or_folder).name


def about(name: str, paths: dict[str, str], folder: Path) -> dict[str, Any]:
    """What is run, for a result to say."""
    row = ROWS[name]
    return {
        "row": name,
        **row,
        "pretrained": {kind: pretrained(path) for kind, path in paths.items()},
        "versions": {package: version(package) for package in ("spacy", "thinc", "torch")},
        "config_text": config_path(row["config"], folder).read_text(),
    }


def run_row(name: str, seeds: list[int], jobs: int, paths: dict[str, str], folder: Path) -> None:
    """Train the seeds of a row that its JSON file does not have yet, adding each to it."""
    settings = about(name, paths, folder)
    results = Results(RESULTS / f"{name}.json", settings, ["seed"], f_of_parts)
    if results.starts_over():
        print(f"{results.path} is from other settings: starting over.")

    def add(seed: int) -> None:
        # Written here, so that a seed that fails does not take the others with it
        result = results.add(run_seed(ROWS[name], seed, paths, folder))
        parts = ", ".join(f"{part} {result[f'{part}_f']}" for part in ("dev", "test"))
        print(f"{name}: {len(result['runs'])} seeds, {parts}")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(add, [seed for seed in seeds if not results.has(seed)]))


def run_averaged(name: str, seeds: list[int], paths: dict[str, str], folder: Path) -> None:
    """Score the models of a row's seeds as one."""
    settings = {**about(name, paths, folder), "averaged": len(seeds)}
    results = Results(RESULTS / f"{name}-averaged.json", settings, ["seed"], f_of_parts)
    run = {"seed": " ".join(map(str, seeds)), "processor": processor()}
    if not results.has(run["seed"]):
        model = folder / "averaged"
        ensemble([folder / f"seed{seed}" / "model-best" for seed in seeds]).to_disk(model)
        results.add({**run, **scored(model, ROOT / "corpus" / ROWS[name]["dataset"])})


def f_of_parts(runs: list[Run]) -> dict[str, Any]:
    """F of the development and the test part, over the seeds."""
    return {key: summary([run[key] for run in runs]) for key in ("dev_f", "test_f")}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--vectors")
    parser.add_argument("--transformer")
    parser.add_argument("--models", type=Path, help="keep the models below this folder")
    parser.add_argument("--averaged", action="store_true", help="the seeds as one model, too")
    arguments = parser.parse_args()
    paths = {"vectors": arguments.vectors, "transformer": arguments.transformer}
    given = {kind: path for kind, path in paths.items() if path is not None}
    with tempfile.TemporaryDirectory(prefix=f"{arguments.row}-") as temporary:
        folder = (arguments.models or Path(temporary)) / arguments.row
        folder.mkdir(exist_ok=True, parents=True)
        run_row(arguments.row, arguments.seeds, arguments.jobs, given, folder)
        if arguments.averaged:
            run_averaged(arguments.row, arguments.seeds, given, folder)


if __name__ == "__main__":
    main()
