"""Conformal risk control by `calibrate --recall`: what is missed, and how many candidates it costs.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.risk_control [--dataset ncbi-disease] [--seed 0]

A model is trained as `init-config` says. Then the development part and the test part are each cut
into halves, 200 times at random: one half to find the threshold, the other to see how much is
missed. For each part and each recall that is asked for:

- the mean over the cuts of what is missed: of each document with entities, the share of them that
  are not among the candidates. Apart from the error of so few cuts, it must be at most 1 - recall;
- the candidates for each annotated entity;
- the number of cuts that were refused, because too many entities have next to no probability.

Results go to benchmarks/risk_control/results/DATASET.json.
"""

import contextlib
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import spacy
import typer
from spacy.training import Corpus

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import processor, read_all, write
from benchmarks.harness.training import train
from spacy_bilstm_crf.decoding import LEAST_PROBABILITY
from spacy_bilstm_crf.workflows.risk_control import control_risk, scored_gold

DATASETS = ["ncbi-disease", "wnut17"]
RECALLS = (0.8, 0.9, 0.95)
N_CUTS = 200


class Probabilities(NamedTuple):
    """Probabilities by document: of its entities, and of all its candidates."""

    gold: list[list[float]]
    candidates: list[np.ndarray]


def probabilities(model: Path, data: Path) -> Probabilities:
    """Compute a pipeline's probabilities for annotated documents."""
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    examples = list(Corpus(data)(nlp))
    gold = [[p for _, p in doc] for doc in scored_gold(ner, examples)]
    ner.candidates_threshold = LEAST_PROBABILITY
    found = ner.predict([example.predicted for example in examples])
    return Probabilities(gold, [np.array([e.probability for e in doc[1]]) for doc in found])


def cut(of: Probabilities, recall: float, rng: np.random.Generator) -> dict[str, float]:
    """Find the threshold on one half of the documents, and score the other."""
    order = rng.permutation(len(of.gold))
    fitted, checked = np.array_split(order, 2)
    threshold = control_risk([of.gold[i] for i in fitted], recall).threshold
    docs = [of.gold[i] for i in checked]
    missed = [np.mean([p < threshold for p in doc]) for doc in docs if doc]
    n_candidates = sum((of.candidates[i] >= threshold).sum() for i in checked)
    return {
        "threshold": threshold,
        "missed": float(np.mean(missed)),
        "candidates": float(n_candidates / sum(map(len, docs))),
    }


def cuts(of: Probabilities, recall: float) -> dict[str, Any]:
    """Summarise the cuts that were not refused, and count those that were."""
    rng = np.random.default_rng(0)
    found: list[dict[str, float]] = []
    for _ in range(N_CUTS):
        with contextlib.suppress(ValueError):
            found.append(cut(of, recall, rng))
    row: dict[str, Any] = {"recall": recall, "refused": N_CUTS - len(found)}
    for key in found[0] if len(found) > 1 else ():
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
                of = probabilities(model, data / part)
                parts[part] = {
                    "docs": len(of.gold),
                    "docs_with_entities": sum(map(bool, of.gold)),
                    "rows": [cuts(of, recall) for recall in RECALLS],
                }
        result = {"dataset": dataset, "seed": seed, "processor": processor(), **parts}
        write(results_of("risk_control") / f"{dataset}.json", result)


def table() -> str:
    """Make the table of what is missed, and of the candidates that it costs."""
    head = ["documents with entities", "bound: missed at most", "missed", "refused"]
    rows = [["data", *head, "missed where not refused", "candidates each"]]
    results = read_all("risk_control")
    for result in results:
        for part in ("dev", "test"):
            n_docs = f"{result[part]['docs_with_entities']:,}"
            for row in result[part]["rows"]:
                at_most = f"{100 * (1 - row['recall']):.0f} %"
                refused = row["refused"] / N_CUTS
                missed, of_the_others, each = "0.0 %", "-", "-"
                if "missed" in row:
                    share = 100 * row["missed"]["mean"]
                    missed, of_the_others = f"{share * (1 - refused):.1f} %", f"{share:.1f} %"
                    each = f"{row['candidates']['mean']:.1f} ± {row['candidates']['stdev']:.1f}"
                cells = [f"{result['dataset']}, {part}", n_docs, at_most, missed]
                rows.append([*cells, f"{100 * refused:.0f} %", of_the_others, each])
    return tables.markdown(*rows) + tables.measured(results, f"Means of {N_CUTS} splits.")


TABLES = {"risk_control": table}

if __name__ == "__main__":
    command.run(main)
