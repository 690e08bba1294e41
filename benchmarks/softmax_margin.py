"""Costs in training against thresholds: softmax-margin (Gimpel and Smith 2010).

    python -m spacy project run convert . --vars.dataset wnut17
    python -m benchmarks.softmax_margin [--dataset wnut17] [--seed 0] [--cost 0 --cost 1]
        [--steps 2000]

With a cost c, every tag sequence scores c more in training for each token of an annotated entity to
which it gives another tag, so that the model learns to find entities by a margin (Mohit et al.
2012). The cost of 0 is the loss as it is. The config is what `init-config` writes, without word
vectors, for a given number of steps. Each model is scored without a threshold, and with the one
that `calibrate --best-f` finds on the development part. One thread. Results go to
benchmarks/softmax_margin/results/DATASET.json. Runs that the file has are not run again.

`spacy train` reads this file as well (`--code`), for the callback that changes the loss.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.language import Language
from spacy.util import load_config, registry

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import length, train
from benchmarks.thresholds import NONE, ONE, SCORES, scored, with_threshold
from spacy_bilstm_crf.potentials import Potentials
from spacy_bilstm_crf.tags import OUTSIDE
from spacy_bilstm_crf.training import losses
from spacy_bilstm_crf.training.annotation import Annotation
from spacy_bilstm_crf.training.objectives import Loss

DATASETS = ["wnut17", "ncbi-disease"]
COSTS = [0.0, 0.5, 1.0, 2.0]
CALLBACK = "softmax-margin.v1"
CHOICES = (NONE, ONE)


def cost_augmented(loss: Callable[..., Loss], cost: float) -> Callable[..., Loss]:
    """Return a loss of annotation in which tags that miss a part of an entity score more."""

    def augmented(annotation: Annotation, entity_ratio: Any, scores: Potentials) -> Loss:
        of_docs: list[Any] = scores.emissions
        emissions = [
            of_doc if gold is None else of_doc + cost * (~gold & ~gold[:, [OUTSIDE]])
            for of_doc, gold in zip(of_docs, annotation.gold)
        ]
        return loss(annotation, entity_ratio, replace(scores, emissions=emissions))

    return augmented


@registry.callbacks(CALLBACK)
def make_callback(cost: float) -> Callable[[type[Language]], type[Language]]:
    """Make a callback that changes the loss of a training."""

    def change(nlp: type[Language]) -> type[Language]:
        losses.annotation_loss = cost_augmented(losses.annotation_loss, cost)
        return nlp

    return change


def run(dataset: str, seed: int, cost: float, steps: int) -> Run:
    """Train a model with a cost, and score it without a threshold and with the best one."""
    data = CORPUS / dataset
    paths = {"train": data / "train", "dev": data / "dev"}
    with temporary_folder("softmax-margin-") as folder:
        config = folder / "config.cfg"
        spacy_command("bilstm-crf", "init-config", config, "--train", paths["train"])
        settings = load_config(config)
        settings["nlp"]["before_creation"] = {"@callbacks": CALLBACK, "cost": cost}
        settings.to_disk(config)
        done = train(config, paths, seed, {**length(steps), "code": Path(__file__)}, folder / "out")
        choices = []
        for choice in CHOICES:
            nlp = with_threshold(done.model, choice, paths["dev"])
            choices.append({"choice": choice, **scored(nlp, data)})
    return {"cpu_seconds": round(done.cpu_seconds), "choices": choices}


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise the scores by cost and threshold over the seeds."""
    found = [{**each, "cost": run["cost"]} for run in runs for each in run["choices"]]
    return summaries_of(found, ["cost", "choice"], SCORES)


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    costs: Annotated[list[float], typer.Option("--cost", help="Cost of a token")] = COSTS,
    steps: command.Steps = 2000,
) -> None:
    """Run what the files lack."""
    for dataset in datasets:
        path = results_of("softmax_margin") / f"{dataset}.json"
        settings = {"dataset": dataset, "steps": steps}
        file = Results(path, settings, ["seed", "cost"], summaries)
        make = lambda seed, cost, name=dataset: run(name, seed, cost, steps)  # noqa: E731
        file.fill(product(seeds, costs), make)


def table() -> str:
    """Make the table of F by the cost in training and the threshold."""
    rows = [["data", "cost", "threshold", "dev micro F", "dev macro F", "micro F", "macro F"]]
    results = read_all("softmax_margin")
    for result in results:
        for cell in result["summary"]:
            scores = [tables.with_seeds(cell[score], cell["n_seeds"]) for score in SCORES]
            rows.append([result["dataset"], f"{cell['cost']:g}", cell["choice"], *scores])
    return tables.markdown(*rows) + tables.measured(results)


TABLES = {"softmax_margin": table}

if __name__ == "__main__":
    command.run(main)
