"""Train one row of the accuracy table with several seeds and write what came out.

    python benchmarks/accuracy/run.py ROW [--seeds 0 1 2] [--jobs 2] [--vectors FOLDER]
        [--transformer NAME_OR_FOLDER]
    python benchmarks/tables.py    (puts the results into README and docs)

Each seed is a `spacy train` of its own with one thread; the model is the one that was best on
the development part, and the test part is scored once, with it. Scores are exact-match micro F
of entities. The data must be converted before:

    python -m spacy project run convert . --vars.dataset DATASET

`--vectors` is a folder that `spacy init vectors` made. Results go to
benchmarks/accuracy/results/ROW.json, seed by seed: seeds that are there already, with the same
settings, are kept and not trained again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, Dict, List, Optional

import spacy
from spacy.training import Corpus

from spacy_bilstm_crf.cli.calibrate import calibrate

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results"


def steps(number: int) -> Dict[str, int]:
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
ROWS: Dict[str, Dict[str, Any]] = {
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


def config_path(row: Dict[str, Any], folder: Path) -> Path:
    """A shipped config, or the stock `ner` as spaCy's own accuracy config has it."""
    if row["config"] is not None:
        return ROOT / "configs" / f"{row['config']}.cfg"
    path = folder / "stock.cfg"
    if not path.exists():
        options = ["--pipeline", "ner", "--optimize", "accuracy", "--force"]
        command = [sys.executable, "-m", "spacy", "init", "config", str(path), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def train(
    config: Path,
    data: Path,
    seed: int,
    paths: Dict[str, str],
    overrides: Dict[str, Any],
    name: Path,
) -> Path:
    """Train one model, with one thread; its log goes to NAME.jsonl. Returns the best one."""
    log = name.with_suffix(".jsonl")
    settings = {
        "paths.train": data / "train",
        "paths.dev": data / "dev",
        **{f"paths.{path}": value for path, value in paths.items()},
        "system.seed": seed,
        "training.logger.@loggers": "spacy.ConsoleLogger.v3",
        "training.logger.progress_bar": "null",
        "training.logger.output_file": log,
        **overrides,
    }
    options = [
        f"--{setting}={value if isinstance(value, (str, Path)) else json.dumps(value)}"
        for setting, value in settings.items()
    ]
    command = [sys.executable, "-m", "spacy", "train", str(config), "--output", str(name)]
    subprocess.run(
        [*command, *options],
        check=True,
        stdout=name.with_suffix(".log").open("w"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return name / "model-best"


def scored(model: Path, data: Path, threshold: Optional[float]) -> Dict[str, float]:
    """Precision, recall and F of a model on each part of the data, in percent.

    threshold (Optional[float]): Takes the place of the threshold it was trained with.
    """
    nlp = spacy.load(model)
    if threshold is not None:
        nlp.get_pipe("ner").threshold = threshold
    found = {}
    for part in ("dev", "test"):
        scores = nlp.evaluate(list(Corpus(data / part)(nlp)), batch_size=64)
        for key in ("ents_p", "ents_r", "ents_f"):
            found[f"{part}_{key[-1]}"] = 100 * scores[key]
    return found


def run_seed(row: Dict[str, Any], seed: int, paths: Dict[str, str], folder: Path) -> Dict[str, Any]:
    """Train and score one seed."""
    data, name = ROOT / "corpus" / row["dataset"], folder / f"seed{seed}"
    model = train(config_path(row, folder), data, seed, paths, row.get("overrides", {}), name)
    threshold = row.get("calibrated_threshold")
    if threshold is not None:
        calibrate(str(model), data / "dev", model)
    log = name.with_suffix(".jsonl").read_text()
    curve = [
        {
            "step": entry["step"],
            "epoch": entry["epoch"],
            "loss": entry["losses"]["ner"],
            "dev_f": 100 * entry["score"],
        }
        for entry in map(json.loads, log.splitlines())
        if entry.get("score") is not None
    ]
    best = max(curve, key=lambda entry: entry["dev_f"])
    return {
        "seed": seed,
        "best_step": best["step"],
        "best_epoch": best["epoch"],
        **scored(model, data, threshold),
        "curve": curve,
    }


def summary(values: List[float]) -> Dict[str, float]:
    """Mean and standard deviation of the sample."""
    return {
        "mean": statistics.mean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
    }


def pretrained(name_or_folder: str) -> str:
    """What vectors or a transformer are called, without the folder they are in here."""
    hub_config = Path(name_or_folder) / "config.json"
    if hub_config.exists():
        return json.loads(hub_config.read_text())["_name_or_path"]
    return Path(name_or_folder).name


def run_row(name: str, seeds: List[int], jobs: int, paths: Dict[str, str]) -> None:
    """Train the seeds of a row that its JSON file does not have yet, adding each to it."""
    row = ROWS[name]
    results = RESULTS / f"{name}.json"
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
        folder = Path(temporary)
        settings = {
            "row": name,
            **row,
            "pretrained": {kind: pretrained(path) for kind, path in paths.items()},
            "versions": {package: version(package) for package in ("spacy", "thinc", "torch")},
            "config_text": config_path(row, folder).read_text(),
        }
        runs = {run["seed"]: run for run in kept_runs(results, settings)}
        writing = Lock()

        def add(seed: int) -> None:
            run = run_seed(row, seed, paths, folder)
            with writing:  # here, so that a seed that fails does not take the others with it
                runs[seed] = run
                write(results, settings, [runs[seed] for seed in sorted(runs)])

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(add, [seed for seed in seeds if seed not in runs]))


def kept_runs(results: Path, settings: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Runs that were made with these settings before."""
    if not results.exists():
        return []
    found = json.loads(results.read_text())
    if {key: found.get(key) for key in settings} == settings:
        return found["runs"]
    print(f"{results} is from other settings: starting over.")
    return []


def write(results: Path, settings: Dict[str, Any], runs: List[Dict[str, Any]]) -> None:
    """Write the results of a row, as far as there are any."""
    result = {
        **settings,
        "dev_f": summary([run["dev_f"] for run in runs]),
        "test_f": summary([run["test_f"] for run in runs]),
        "runs": runs,
    }
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{settings['row']}: {len(runs)} seeds, dev {result['dev_f']}, test {result['test_f']}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--vectors")
    parser.add_argument("--transformer")
    arguments = parser.parse_args()
    paths = {"vectors": arguments.vectors, "transformer": arguments.transformer}
    given = {kind: path for kind, path in paths.items() if path is not None}
    run_row(arguments.row, arguments.seeds, arguments.jobs, given)


if __name__ == "__main__":
    main()
