"""A drop-in for the stock `ner`: spaCy's own config, and what `replace-ner` makes of it.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.drop_in SYSTEM [--dataset wnut17] [--seed 0 --seed 1]

Both are trained by the `[training]` block of `spacy init config --pipeline ner`, its optimizer,
batches and dropout, for the same number of updates. The model is the best of seven on dev. Without
word vectors. A seed draws the sentences of a part and starts the training. Results go to
benchmarks/drop_in/results/SYSTEM.json, with the counts of each test doc, for paired intervals. Runs
that the file has are not made again.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import typer
from spacy.training import Corpus

from benchmarks.data_size import A_TENTH, DATASETS, LANGUAGES, Cell, over_seeds, size_of, write_part
from benchmarks.harness import command, tables, training
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read
from benchmarks.harness.training import scored, train
from spacy_bilstm_crf.workflows.report.metrics import bootstrap_weights, resampled

UPDATES = 1400
# Data set and number of sentences, 0 for the whole
ROWS = [
    ("four-domains", 0),
    ("sec-filings", 0),
    ("wnut17", 1000),
    ("wnut17", 0),
    ("ncbi-disease", 1000),
    ("ncbi-disease", 0),
    ("german-ler", 1000),
    ("german-ler", 0),
]
F = 2  # place among precision, recall and F


def stock_config(folder: Path, lang: str) -> Path:
    """Write spaCy's own config, as it is."""
    return training.stock_config(folder / "stock.cfg", "efficiency", lang)


def replaced_config(folder: Path, lang: str) -> Path:
    """Write what `replace-ner` makes of it."""
    path = folder / "replaced.cfg"
    spacy_command("bilstm-crf", "replace-ner", stock_config(folder, lang), path)
    return path


SYSTEMS: dict[str, Callable[[Path, str], Path]] = {
    "ner": stock_config,
    "replace-ner": replaced_config,
}


def run(system: str, dataset: str, size: int, seed: int) -> Run:
    """Train and score one system on one part of one data set."""
    with temporary_folder(f"{system}-{dataset}-{size}-") as folder:
        part = folder / "train.spacy"
        n_sentences = write_part(dataset, size, seed, part)
        config = SYSTEMS[system](folder, LANGUAGES.get(dataset, "en"))
        data = CORPUS / dataset
        paths = {"train": part, "dev": data / "dev"}
        done = train(config, paths, seed, {"training.max_steps": UPDATES}, folder / "out")
        return {
            "sentences": n_sentences,
            "cpu_seconds": round(done.cpu_seconds, 1),
            "steps": done.evaluations[-1]["step"],
            "best_step": done.best_step,
            **scored(done.model, data),
            "counts": counts_of(done.model, data / "test"),
        }


def counts_of(model: Path, test: Path) -> dict[str, Any]:
    """Count the gold, predicted and right entities of each test doc.

    Returns:
        The number of docs and, in one line, the three counts of each doc that has any.
    """
    nlp = spacy.load(model)
    examples = list(Corpus(test)(nlp))
    docs = nlp.pipe((example.predicted for example in examples), batch_size=256)
    counts = []
    for number, (example, doc) in enumerate(zip(examples, docs)):
        gold, predicted = (
            {(ent.start, ent.end, ent.label_) for ent in each.ents}
            for each in (example.reference, doc)
        )
        if gold or predicted:
            counts.append(f"{number}:{len(gold)}/{len(predicted)}/{len(gold & predicted)}")
    return {"n_docs": len(examples), "of_docs": " ".join(counts)}


def main(
    system: Annotated[str, typer.Argument(**command.one_of(SYSTEMS))],
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the system's file lacks."""
    cells = [(*row, seed) for seed in seeds for row in ROWS if row[0] in datasets]
    file = Results(
        results_of("drop_in") / f"{system}.json",
        {"system": system, "updates": UPDATES},
        ["dataset", "size", "seed"],
    )
    file.fill(cells, partial(run, system), jobs)


def both_systems() -> Iterator[tuple[Cell, list[Run], list[Run]]]:
    """Yield each row with the runs of both systems, for the seeds that both have."""
    by_system = [grouped(read("drop_in", system)["runs"], "dataset", "size") for system in SYSTEMS]
    for row in ROWS:
        of_row = [runs.get(row, []) for runs in by_system]
        seeds = set.intersection(*({run["seed"] for run in runs} for runs in of_row))
        if seeds:
            stock, ours = ([run for run in runs if run["seed"] in seeds] for runs in of_row)
            yield row, stock, ours


def mean_samples(runs: list[Run]) -> np.ndarray:
    """Return the mean F of some runs, in percent, in each bootstrap resample of the test docs."""
    samples = []
    for run in runs:
        counts = parsed(run["counts"])
        samples.append(100 * resampled(counts, bootstrap_weights(len(counts)))[:, 0, F])
    return np.mean(samples, axis=0)


def parsed(found: dict[str, Any]) -> np.ndarray:
    """Return what `counts_of` found as `resampled` takes it: shape (docs, 1, 4)."""
    counts = np.zeros((found["n_docs"], 1, 4), dtype=np.int32)
    for each in found["of_docs"].split():
        number, of_doc = each.split(":")
        gold, predicted, right = map(int, of_doc.split("/"))
        counts[int(number), 0] = (gold, right, predicted, right)
    return counts


def difference(value: float, samples: np.ndarray) -> str:
    """Write a difference with the interval of its resamples."""
    low, high = np.quantile(samples, [0.025, 0.975])
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def drop_in_table() -> str:
    """Make the table of both systems' test F and processor seconds."""
    rows = [["data", "sentences", "`ner`, test F", "ours, test F", "difference, 95 % interval"]]
    rows[0] += ["`ner`, seconds", "ours, seconds"]
    all_values, all_samples, shown = [], [], []
    for row, stock, ours in both_systems():
        both = stock, ours
        samples = mean_samples(ours) - mean_samples(stock)
        values = [statistics.mean(run["test_f"] for run in runs) for runs in both]
        times = [statistics.mean(run["cpu_seconds"] for run in runs) for runs in both]
        rows.append(
            [
                row[0],
                size_of(row, ours),
                *(over_seeds(runs, "test_f") for runs in both),
                difference(values[1] - values[0], samples),
                *(f"{seconds:.0f}" for seconds in times),
            ]
        )
        all_values.append([*values, *times])
        all_samples.append(samples)
        shown += [*stock, *ours]
    of_stock, of_ours, *times = np.mean(all_values, axis=0)
    rows.append(
        [
            "mean of the rows",
            "",
            f"{of_stock:.1f}",
            f"{of_ours:.1f}",
            difference(of_ours - of_stock, np.mean(all_samples, axis=0)),
            *(f"{seconds:.0f}" for seconds in times),
        ]
    )
    return tables.markdown(*rows) + tables.measured(shown, A_TENTH)


TABLES = {"drop_in": drop_in_table}

if __name__ == "__main__":
    command.run(main)
