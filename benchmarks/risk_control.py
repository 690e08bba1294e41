"""Conformal risk control by `calibrate --recall`: what is missed, and how many candidates it costs.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.risk_control [--dataset ncbi-disease] [--seed 0]

A model is trained as `init-config` says. Then the development part and the test part are each cut
into halves, 200 times at random: one half to find the threshold, the other to see how much is
missed. For each part and each recall that is asked for:

- the mean over the cuts of what is missed: of each document with entities, the share of them that
  are not among the candidates. Apart from the error of so few cuts, it must be at most 1 - recall;
- the candidates for each annotated entity;
- the share of the tokens that are inside candidates;
- the number of cuts where even the lowest threshold misses too many, since too many entities have
  next to no probability. The lowest is taken then.

Results go to benchmarks/risk_control/results/DATASET.json.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import typer
from spacy.training import Corpus

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import processor, read_all, write
from benchmarks.harness.training import train
from spacy_bilstm_crf.inference.candidates import LONGEST_CANDIDATE
from spacy_bilstm_crf.workflows.risk_control import (
    ScoredDoc,
    control_risk,
    level_of,
    probabilities_of,
    scored_docs,
)

DATASETS = ["ncbi-disease", "wnut17"]
RECALLS = (0.8, 0.9, 0.95)
N_CUTS = 200


def scored(model: Path, data: Path) -> list[ScoredDoc]:
    """Compute a pipeline's probabilities for annotated documents."""
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    return scored_docs(ner, Corpus(data)(nlp), LONGEST_CANDIDATE)


def cut(docs: list[ScoredDoc], recall: float, rng: np.random.Generator) -> dict[str, float]:
    """Find the threshold on one half of the documents, and score the other."""
    order = rng.permutation(len(docs))
    fitted, checked = ([docs[i] for i in half] for half in np.array_split(order, 2))
    control = control_risk(probabilities_of(fitted, ""), recall)
    missed = [np.mean([p < control.threshold for _, p in doc.gold]) for doc in checked if doc.gold]
    price = level_of(checked, "", control)
    return {
        "threshold": control.threshold,
        "missed": float(np.mean(missed)),
        "candidates": price.candidates,
        "tokens": price.tokens,
        "not_reached": float(not control.is_reached),
    }


def cuts(docs: list[ScoredDoc], recall: float) -> dict[str, Any]:
    """Summarise the cuts."""
    rng = np.random.default_rng(0)
    found = [cut(docs, recall, rng) for _ in range(N_CUTS)]
    row: dict[str, Any] = {"recall": recall}
    for key in found[0]:
        values = [each[key] for each in found]
        row[key] = {"mean": float(np.mean(values)), "stdev": float(np.std(values, ddof=1))}
    return row


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seed: Annotated[int, typer.Option(help="Seed of the training")] = 0,
) -> None:
    """Train a model on each data set, and cut its held-out parts."""
    for dataset in datasets:
        data = CORPUS / dataset
        with temporary_folder() as folder:
            config = folder / "config.cfg"
            spacy_command("bilstm-crf", "init-config", config, "--train", data / "train")
            paths = {"train": data / "train", "dev": data / "dev"}
            model = train(config, paths, seed, {}, folder / "out").model
            parts: dict[str, Any] = {}
            for part in ("dev", "test"):
                docs = scored(model, data / part)
                parts[part] = {
                    "docs": len(docs),
                    "docs_with_entities": sum(bool(doc.gold) for doc in docs),
                    "rows": [cuts(docs, recall) for recall in RECALLS],
                }
        result = {"dataset": dataset, "seed": seed, "processor": processor(), **parts}
        write(results_of("risk_control") / f"{dataset}.json", result)


def table() -> str:
    """Make the table of what is missed, and of the candidates that it costs."""
    head = ["documents with entities", "bound: missed at most", "missed", "bound out of reach"]
    rows = [["data", *head, "candidates each"]]
    results = read_all("risk_control")
    for result in results:
        for part in ("dev", "test"):
            n_docs = f"{result[part]['docs_with_entities']:,}"
            for row in result[part]["rows"]:
                missed, out = (100 * row[key]["mean"] for key in ("missed", "not_reached"))
                of_bound = [f"{100 * (1 - row['recall']):.0f} %", f"{missed:.1f} %", f"{out:.0f} %"]
                each = f"{row['candidates']['mean']:.1f} ± {row['candidates']['stdev']:.1f}"
                rows.append([f"{result['dataset']}, {part}", n_docs, *of_bound, each])
    return tables.markdown(*rows) + tables.measured(results, f"Means of {N_CUTS} splits.")


TABLES = {"risk_control": table}

if __name__ == "__main__":
    command.run(main)
