"""The shipped config against the one that `tune` finds, each trained with several seeds.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.tune [--dataset ncbi-disease] [--n-trials 40] [--seed 0 --seed 1]
        [--jobs 2] [--steps 4000] [--vectors FOLDER]

The search starts from configs/bilstm_crf.cfg, in the space of configs/tuning.cfg, and sees the
development part alone. It is in training/tune/DATASET: run the same command again to continue it.
The test part is scored once for each seed and config, with the model that is best on dev. One
thread for each training. Results go to benchmarks/tune/results/tune.json. Runs that the file has
are not made again.
"""

import statistics
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer

from benchmarks.harness import command, tables
from benchmarks.harness.paths import (
    CONFIGS,
    CORPUS,
    ROOT,
    SHIPPED,
    VECTORS,
    results_of,
    temporary_folder,
)
from benchmarks.harness.processes import run_python
from benchmarks.harness.results import Results, Run, grouped, read, summary
from benchmarks.harness.training import length, scored, train

SPACE = CONFIGS / "tuning.cfg"
DATASETS = ["four-domains", "ncbi-disease"]
SYSTEMS = ("shipped", "tuned")
SEARCHES = ROOT / "training" / "tune"


def paths_of(dataset: str, vectors: Path) -> dict[str, Path]:
    """Return the config's section `paths`."""
    data = CORPUS / dataset
    return {"train": data / "train", "dev": data / "dev", "vectors": vectors}


def search(dataset: str, settings: dict[str, Any], jobs: int, vectors: Path) -> None:
    """Search, or continue a search."""
    overrides = {
        **{f"paths.{name}": path for name, path in paths_of(dataset, vectors).items()},
        **length(settings["steps"]),
    }
    options = ("--output", SEARCHES / dataset, "--jobs", jobs, "--n-trials", settings["n_trials"])
    changed = [f"--{path}={value}" for path, value in overrides.items()]
    run_python("-m", "spacy", "bilstm-crf", "tune", SHIPPED, SPACE, *options, *changed)


def search_hours(folder: Path) -> float:
    """Return the hours of all trials, one after the other."""
    trials: Any = srsly.read_jsonl(folder / "trials.jsonl")
    return sum(trial["seconds"] or 0.0 for trial in trials) / 3600


def run(dataset: str, system: str, seed: int, steps: int, vectors: Path) -> Run:
    """Train and score one config with one seed."""
    is_tuned = system == "tuned"
    config = SEARCHES / dataset / "best.cfg" if is_tuned else SHIPPED
    with temporary_folder(f"tune-{dataset}-{system}-") as folder:
        out = folder / "out"
        done = train(config, paths_of(dataset, vectors), seed, length(steps), out)
        return {
            "cpu_hours": round(done.cpu_seconds / 3600, 3),
            "search_hours": round(search_hours(SEARCHES / dataset), 3) if is_tuned else 0.0,
            "best_step": done.best_step,
            **scored(done.model, CORPUS / dataset),
        }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise F over the seeds, by data set and config."""
    return {
        "summary": {
            " ".join(cell): {
                part: summary([run[f"{part}_f"] for run in of_cell]) for part in ("dev", "test")
            }
            for cell, of_cell in sorted(grouped(runs, "dataset", "system").items())
        }
    }


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    n_trials: Annotated[int, typer.Option(min=1, help="Trials of each search")] = 40,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 2,
    steps: command.Steps = 4000,
    vectors: command.Vectors = VECTORS,
) -> None:
    """Search, then run the trainings that the file lacks."""
    settings = {"n_trials": n_trials, "steps": steps, "vectors": vectors.name}
    for dataset in datasets:
        search(dataset, settings, jobs, vectors)
    file = Results(
        results_of("tune") / "tune.json", settings, ["dataset", "system", "seed"], summaries
    )
    file.fill(
        [(dataset, system, seed) for seed, dataset, system in product(seeds, datasets, SYSTEMS)],
        lambda dataset, system, seed: run(dataset, system, seed, steps, vectors),
        jobs,
    )


def table() -> str:
    """Make the table of the shipped config beside the one found, and the search's hours."""
    result = read("tune", "tune")
    rows = [["data", "config", "dev F", "test F", "search, hours", "training, hours"]]
    by_cell = grouped(result["runs"], "dataset", "system")
    for (dataset, system), runs in sorted(by_cell.items()):
        found = result["summary"][f"{dataset} {system}"]
        scores = [tables.mean(found[part], len(runs)) for part in ("dev", "test")]
        hours = statistics.mean(run["cpu_hours"] for run in runs)
        searched = f"{runs[0]['search_hours']:.1f}" if system == "tuned" else "-"
        rows.append([dataset, system, *scores, searched, f"{hours:.2f}"])
    trials = f"{result['n_trials']} trials of {result['steps']:,} steps at most"
    return tables.markdown(*rows) + tables.measured(
        result["runs"], f"{trials}, one after the other."
    )


TABLES = {"tune": table}

if __name__ == "__main__":
    command.run(main)
