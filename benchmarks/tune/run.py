"""Search for settings, then train them and the shipped config with several seeds.

    python -m benchmarks.tune.run [--datasets ncbi-disease ...] [--n-trials 40] [--seeds 0 1 2]
        [--jobs 2] [--steps 4000] [--vectors FOLDER]

The search starts from configs/bilstm_crf.cfg, in the space of configs/tuning.cfg, and sees the
development part alone. It is in training/tune/DATASET: run the same command again to go on with
it. The test part is scored once for each seed and config, with the model that is best on dev. One
thread a training. Results go to benchmarks/tune/results/tune.json as they come; those that are
there are not run again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.trainings import (
    ROOT,
    VECTORS,
    Results,
    Run,
    length,
    processor,
    scored,
    summary,
    train,
)

RESULTS = Path(__file__).parent / "results"
CONFIG = ROOT / "configs" / "bilstm_crf.cfg"
SPACE = ROOT / "configs" / "tuning.cfg"
DATASETS = ("four-domains", "ncbi-disease")
SYSTEMS = ("shipped", "tuned")


def paths_of(dataset: str, vectors: Path) -> dict[str, Path]:
    """What goes into the config's section `paths`."""
    data = ROOT / "corpus" / dataset
    return {"train": data / "train", "dev": data / "dev", "vectors": vectors}


def search(dataset: str, settings: dict[str, Any], jobs: int, vectors: Path) -> Path:
    """Search, or go on with the search; returns its folder."""
    folder = ROOT / "training" / "tune" / dataset
    overrides = {
        **{f"paths.{name}": path for name, path in paths_of(dataset, vectors).items()},
        **length(settings["steps"]),
    }
    command = [
        *(sys.executable, "-m", "spacy", "bilstm-crf", "tune", str(CONFIG), str(SPACE)),
        *("--output", str(folder), "--jobs", str(jobs)),
        *("--n-trials", str(settings["n_trials"])),
        *(f"--{path}={value}" for path, value in overrides.items()),
    ]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return folder


def search_hours(folder: Path) -> float:
    """Hours of all trials, one after the other."""
    lines = (folder / "trials.jsonl").read_text(encoding="utf8").splitlines()
    return sum(json.loads(line)["seconds"] or 0.0 for line in lines) / 3600


def run(dataset: str, system: str, seed: int, settings: dict[str, Any], vectors: Path) -> Run:
    """Train and score one config with one seed."""
    searched = ROOT / "training" / "tune" / dataset
    config = CONFIG if system == "shipped" else searched / "best.cfg"
    with tempfile.TemporaryDirectory(prefix=f"tune-{dataset}-{system}-") as temporary:
        out = Path(temporary) / "out"
        model, evaluations, cpu_seconds = train(
            config, paths_of(dataset, vectors), seed, length(settings["steps"]), out
        )
        return {
            "dataset": dataset,
            "system": system,
            "seed": seed,
            "processor": processor(),
            "cpu_hours": round(cpu_seconds / 3600, 3),
            "search_hours": round(search_hours(searched), 3) if system == "tuned" else 0.0,
            "best_step": max(evaluations, key=lambda entry: entry["score"])["step"],
            **scored(model, ROOT / "corpus" / dataset, batch_size=256),
        }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation of F over the seeds, for each data set and config."""
    cells = sorted({(run["dataset"], run["system"]) for run in runs})
    found = {}
    for cell in cells:
        of_cell = [run for run in runs if (run["dataset"], run["system"]) == cell]
        found[" ".join(cell)] = {
            part: summary([run[f"{part}_f"] for run in of_cell]) for part in ("dev", "test")
        }
    return {"summary": found}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--n-trials", type=int, default=40)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--results", type=Path, default=RESULTS / "tune.json")
    given = parser.parse_args()
    settings = {"n_trials": given.n_trials, "steps": given.steps, "vectors": given.vectors.name}
    results = Results(given.results, settings, ["dataset", "system", "seed"], summaries)
    for dataset in given.datasets:
        search(dataset, settings, given.jobs, given.vectors)

    def add(cell: tuple[str, str, int]) -> None:
        done = run(*cell, settings, given.vectors)
        results.add(done)
        print(done, flush=True)

    cells = [
        (dataset, system, seed)
        for seed, dataset, system in product(given.seeds, given.datasets, SYSTEMS)
        if not results.has(dataset, system, seed)
    ]
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(add, cells))


if __name__ == "__main__":
    main()
