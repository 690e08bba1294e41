"""What thresholds are worth: none, one for all labels, and one for each label.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.thresholds [--dataset wnut17] [--seed 0 --seed 1] [--models FOLDER]

For each seed a model is trained as `init-config` says, without word vectors, on the whole training
part. `--models` keeps the models, and takes those that are there. Then the threshold is

- none: the entities of the most probable tag sequence;
- what `init-config` says;
- one for all labels: `calibrate --best-f` on the development part;
- one for each label: `calibrate --best-f --per-label` on the same.

Each is scored on the development part, on which the last two were chosen, and on the test part:
micro F of all entities, and macro F, the mean F of the labels that are annotated there. One thread.
Results go to benchmarks/thresholds/results/DATASET.json. Runs that the file has are not run again.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus

from benchmarks.data_size import trained_on_part
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from spacy_bilstm_crf.workflows import calibrate

DATASETS = ["ncbi-disease", "wnut17", "sec-filings"]
PARTS = ("dev", "test")
MEASURES = ("micro_f", "macro_f")
SCORES = [f"{part}_{measure}" for part in PARTS for measure in MEASURES]
NONE, OF_CONFIG, ONE, BY_LABEL = "none", "of init-config", "one", "by label"
CHOICES = (NONE, OF_CONFIG, ONE, BY_LABEL)


def with_threshold(model: Path, choice: str, dev: Path) -> Language:
    """Load a pipeline, and set its threshold."""
    nlp = spacy.load(model)
    if choice == NONE:
        ner: Any = nlp.get_pipe("ner")
        ner.threshold = None
    elif choice != OF_CONFIG:
        calibrate(nlp, dev, best_f=True, per_label=choice == BY_LABEL)
    return nlp


def scored(nlp: Language, data: Path) -> dict[str, float]:
    """Compute micro and macro F on each part of the data, in percent."""
    found = {}
    for part in PARTS:
        examples = list(Corpus(data / part)(nlp))
        labels = {ent.label_ for example in examples for ent in example.reference.ents}
        scores = nlp.evaluate(examples)
        of_labels = [scores["ents_per_type"].get(label, {"f": 0.0})["f"] for label in labels]
        found[f"{part}_micro_f"] = 100 * scores["ents_f"]
        found[f"{part}_macro_f"] = 100 * sum(of_labels) / len(of_labels)
    return found


def run(models: Path | None, dataset: str, seed: int) -> Run:
    """Train a model, and score it with each choice of thresholds."""
    data = CORPUS / dataset
    with temporary_folder("thresholds-") as temporary:
        folder = temporary if models is None else models / f"whole-{dataset}-{seed}"
        model = trained_on_part(dataset, 0, seed, folder)
        choices = []
        for choice in CHOICES:
            nlp = with_threshold(model, choice, data / "dev")
            ner: Any = nlp.get_pipe("ner")
            of_choice = {"choice": choice, "threshold": ner.threshold}
            choices.append({**of_choice, **scored(nlp, data)})
    return {"choices": choices}


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise the scores of each choice over the seeds."""
    found = [each for run in runs for each in run["choices"]]
    summary = summaries_of(found, ["choice"], SCORES)["summary"]
    return {"summary": sorted(summary, key=lambda cell: CHOICES.index(cell["choice"]))}


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    models: command.Models = None,
) -> None:
    """Run the seeds that the files lack."""
    for dataset in datasets:
        path = results_of("thresholds") / f"{dataset}.json"
        file = Results(path, {"dataset": dataset}, ["seed"], summaries)
        file.fill([(seed,) for seed in seeds], partial(run, models, dataset))


def table() -> str:
    """Make the table of F by the choice of thresholds."""
    rows = [["data", "threshold", "seeds", "dev micro F", "dev macro F", "micro F", "macro F"]]
    results = read_all("thresholds")
    for result in results:
        for cell in result["summary"]:
            n_seeds = cell["n_seeds"]
            scores = [tables.mean(cell[score], n_seeds) for score in SCORES]
            rows.append([result["dataset"], cell["choice"], str(n_seeds), *scores])
    return tables.markdown(*rows) + tables.measured(results)


TABLES = {"thresholds": table}

if __name__ == "__main__":
    command.run(main)
