"""How often sets of tag sequences contain the right one, and how large they are.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.coverage [--dataset wnut17] [--seed 0] [--models FOLDER]

A model is trained as `init-config` says, on the whole training part, and calibrated on the
development part. The test part is cut into halves, 200 times at random: on one half the least
probability of a set's tag sequences is found for each coverage, and the sets of the other are made
by it. For each coverage, over the cuts: the mean share of documents whose set has the annotated
tag sequence, the range from the 5th to the 95th of 100 cuts, the mean size of a set, where none
counts more than 1,000, and the shares of sets with one tag sequence and with more than 1,000.

Results go to benchmarks/coverage/results/DATASET.json. Runs that the file has are not made again.
"""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from spacy.training import Corpus

from benchmarks.data_size import trained_on_part
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all
from spacy_bilstm_crf.pipeline.ner import MOST_OF_SET
from spacy_bilstm_crf.workflows import calibrate
from spacy_bilstm_crf.workflows.coverage import annotated_probabilities, least_probability

DATASETS = ["ncbi-disease", "wnut17"]
COVERAGES = (0.8, 0.9, 0.95)
N_CUTS = 200
LEAST = 1e-12  # no set goes deeper here, or a document could have a thousand for nothing


class Text(NamedTuple):
    """A document: of its most probable tag sequences, and of the annotated one, the probability."""

    sequences: np.ndarray
    annotated: float


def texts_of(nlp: Any, part: Path) -> list[Text]:
    """Compute the probabilities of a part's documents."""
    ner = nlp.get_pipe("ner")
    examples = list(Corpus(part)(nlp))
    ner.least_of_set = LEAST
    sets = [ner.sequence_set(example.predicted).sequences for example in examples]
    annotated = annotated_probabilities(ner, examples)
    return [Text(np.array([p for _, p in one]), p) for one, p in zip(sets, annotated)]


def cut(texts: list[Text], coverage: float, order: np.ndarray) -> list[float]:
    """Fit on one half, and return coverage, mean size and two shares of the sets of the other."""
    fitted, new = ([texts[i] for i in half] for half in np.array_split(order, 2))
    least = least_probability([text.annotated for text in fitted], coverage)
    sizes = np.array([max(1, int((text.sequences >= least).sum())) for text in new])
    # The most probable one is in the set in any case
    covered = [
        text.annotated >= least or text.annotated >= text.sequences[0] * (1 - 1e-9) for text in new
    ]
    return [
        float(np.mean(covered)),
        float(sizes.mean()),
        float((sizes == 1).mean()),
        float((sizes >= MOST_OF_SET).mean()),
    ]


def run(models: Path | None, dataset: str, seed: int) -> Run:
    """Train and calibrate a model, and cut the test part."""
    with temporary_folder(f"coverage-{dataset}-") as temporary:
        folder = temporary if models is None else models / f"whole-{dataset}-{seed}"
        nlp = calibrate(trained_on_part(dataset, 0, seed, folder), CORPUS / dataset / "dev").nlp
        texts = texts_of(nlp, CORPUS / dataset / "test")
    orders = [np.random.default_rng(i).permutation(len(texts)) for i in range(N_CUTS)]
    rows = []
    for coverage in COVERAGES:
        found = np.array([cut(texts, coverage, order) for order in orders])
        covered, size, single, incomplete = found.mean(axis=0)
        low, high = np.quantile(found[:, 0], [0.05, 0.95])
        rows.append(
            {
                "coverage": coverage,
                "covered": float(covered),
                "low": float(low),
                "high": float(high),
                "size": float(size),
                "single": float(single),
                "incomplete": float(incomplete),
            }
        )
    best = float(np.mean([text.annotated >= text.sequences[0] * (1 - 1e-9) for text in texts]))
    return {"documents": len(texts), "best_is_right": best, "rows": rows}


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    models: command.Models = None,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the files lack."""
    for dataset in datasets:
        settings = {"dataset": dataset, "cuts": N_CUTS, "threads": 1}
        results = Results(results_of("coverage") / f"{dataset}.json", settings, ("seed",))
        results.fill(product(seeds), partial(run, models, dataset), jobs)


def table() -> str:
    """Make the table of coverage and size."""
    head = ["data", "best is right", "coverage", "covered", "90 % of the cuts", "size"]
    rows = [[*head, "one sequence", f"over {MOST_OF_SET:,}"]]
    results = read_all("coverage")
    for result in results:
        runs = result["runs"]
        best = f"{100 * np.mean([run['best_is_right'] for run in runs]):.1f} %"
        for number, coverage in enumerate(COVERAGES):
            of_all = {
                name: float(np.mean([run["rows"][number][name] for run in runs]))
                for name in runs[0]["rows"][number]
            }
            percent = {name: f"{100 * value:.1f}" for name, value in of_all.items()}
            rows.append(
                [
                    result["dataset"],
                    best,
                    f"{100 * coverage:.0f} %",
                    f"{percent['covered']} %",
                    f"{percent['low']} to {percent['high']} %",
                    f"{of_all['size']:,.1f}",
                    f"{percent['single']} %",
                    f"{percent['incomplete']} %",
                ]
            )
    n_seeds = max(len(result["runs"]) for result in results)
    seeds = f"Means over {n_seeds} seeds," if n_seeds > 1 else "One seed,"
    return tables.markdown(*rows) + tables.measured(results, f"{seeds} {N_CUTS} cuts.")


TABLES = {"coverage": table}

if __name__ == "__main__":
    command.run(main)
