"""How well probabilities of entities are calibrated: ours, the stock beam's, a softmax.

    pip install -r benchmarks/calibration/requirements.txt
    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.calibration DATASET [--seed 0 --seed 1] [--without-beam] [--vectors FOLDER]

Models are trained on the training part. The development part is cut into two halves, and the
calibration of each half is fitted on the other. For each method:

- ECE, the expected calibration error (Guo et al. 2017, eq. 3) of the entities found, in ten bins,
  and of all candidates with a probability of 0.01 or more, for methods that have them. Beside it
  stands the error to be expected of so few spans even if each were right with exactly its score:
  below that, nothing can be told apart.
- AUROC: how well the score ranks right entities above wrong ones. 0.5 is chance.
- F1 of the entities.

The numbers, with those of the reliability diagram, go to benchmarks/calibration/results/ as JSON,
the diagram to docs/assets/ as PNG. Seeds that the file has are not run again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import load_config

from benchmarks.accuracy import ROWS
from benchmarks.audit import auroc
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, PICTURES, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summary
from benchmarks.harness.training import config_path, train
from spacy_bilstm_crf.calibration import Calibration
from spacy_bilstm_crf.tags import tags_of_span
from spacy_bilstm_crf.workflows.report.probabilities import (
    Scored,
    calibration_error,
    errors_of_chance,
    reliability,
)

DATASETS = ("wnut17", "ncbi-disease")
LEAST = 0.01  # probability of a candidate
BEAM_WIDTH = 16

Found = dict[tuple[int, int, str], float]  # scores of spans


def judged(found: list[Found], examples: list[Example]) -> Scored:
    """Compare found spans with the annotation."""
    scores, right, n_gold = [], [], 0
    for spans, example in zip(found, examples):
        gold: set[tuple[int, int, str]] = {
            (ent.start, ent.end, ent.label_) for ent in example.reference.ents
        }
        n_gold += len(gold)
        for span, score in spans.items():
            scores.append(score)
            right.append(span in gold)
    return Scored(np.array(scores), np.array(right), n_gold)


def together(parts: Sequence[Scored]) -> Scored:
    """Join what was found in several parts of the data."""
    scores, right, n_gold = zip(*parts)
    return Scored(np.concatenate(scores), np.concatenate(right), sum(n_gold))


def found_by_ours(nlp: Language, docs: list[Doc]) -> tuple[list[Found], list[Found]]:
    """Return the entities and the candidates with their probabilities."""
    ner: Any = nlp.get_pipe("ner")
    ner.cfg.update(candidates_threshold=LEAST, threshold=None)
    return tuple(  # type: ignore[return-value]
        [{(e.start, e.end, ner.labels[e.label]): e.probability for e in part} for part in parts]
        for parts in zip(*ner.predict(docs))
    )


def emission_scores(nlp: Language, docs: list[Doc], found: list[Found]) -> list[Found]:
    """Score found entities by their tags' mean probability in a softmax over emissions."""
    ner: Any = nlp.get_pipe("ner")
    scored = []
    for emissions, spans in zip(ner.emissions(docs), found):
        exponentials = np.exp(emissions - emissions.max(-1, keepdims=True))
        softmax = exponentials / exponentials.sum(-1, keepdims=True)
        of_doc = {}
        for start, end, label in spans:
            columns = tags_of_span((start, end, ner.labels.index(label)))
            of_doc[start, end, label] = float(softmax[range(start, end), columns].mean())
        scored.append(of_doc)
    return scored


def found_by_beam(nlp: Language, docs: list[Doc]) -> tuple[list[Found], list[Found]]:
    """Return entities and candidates of the stock `beam_ner`, scored by shares of the beam."""
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index("ner")]:
        docs = list(pipe.pipe(docs))  # type: ignore[attr-defined]
    ner: Any = nlp.get_pipe("ner")
    beams = ner.beam_parse(docs, beam_width=BEAM_WIDTH)
    candidates = [dict(of_doc) for of_doc in ner.scored_ents(beams)]
    ner.set_annotations(docs, beams)
    entities = [
        {(e.start, e.end, e.label_): scores.get((e.start, e.end, e.label_), 0.0) for e in doc.ents}
        for doc, scores in zip(docs, candidates)
    ]
    return entities, candidates


def figures(name: str, entities: Scored, candidates: Scored | None = None) -> dict[str, Any]:
    """Return the figures of a method."""
    result = {
        "method": name,
        "n_entities": len(entities.scores),
        "ece_entities": calibration_error(entities),
        "ece_entities_by_chance": float(errors_of_chance(entities).mean()),
        "auroc": auroc(entities.scores, entities.right),
        "f": float(200 * entities.right.sum() / (len(entities.right) + entities.n_gold)),
        "reliability": reliability(entities),
    }
    if candidates is not None:
        result["n_candidates"] = len(candidates.scores)
        result["ece_candidates"] = calibration_error(candidates)
        result["ece_candidates_by_chance"] = float(errors_of_chance(candidates).mean())
        result["reliability_candidates"] = reliability(candidates)
    return result


def of_ours(nlp: Language, examples: list[Example]) -> list[dict[str, Any]]:
    """Return the figures of our probabilities, raw and calibrated, and of the softmax."""
    ner: Any = nlp.get_pipe("ner")
    halves = [examples[::2], examples[1::2]]
    calibrations = [ner.calibrate(half) for half in halves]
    results = []
    for name in ("ours", "ours, calibrated", "softmax over emissions"):
        of_halves = []
        for half, fitted_on_the_other in zip(halves, reversed(calibrations)):
            docs = [example.predicted for example in half]
            calibration = fitted_on_the_other if "calibrated" in name else Calibration()
            ner.cfg.update(calibration._asdict())
            found, likely = found_by_ours(nlp, docs)
            if "softmax" in name:
                found = emission_scores(nlp, docs, found)
            of_halves.append((judged(found, half), judged(likely, half)))
        entities, candidates = (together(parts) for parts in zip(*of_halves))
        result = figures(name, entities, None if "softmax" in name else candidates)
        if "calibrated" in name:
            result["calibrations"] = [each._asdict() for each in calibrations]
            # One half's error with the other half's calibration
            for i, of_half in enumerate(of_halves):
                for what, scored in zip(("entities", "candidates"), of_half):
                    result[f"ece_{what}_half_{i}"] = calibration_error(scored)
                    result[f"ece_{what}_half_{i}_by_chance"] = float(
                        errors_of_chance(scored).mean()
                    )
        results.append(result)
    return results


def run_seed(
    dataset: str, seed: int, vectors: Path | None, with_beam: bool, folder: Path
) -> list[dict[str, Any]]:
    """Train ours, and the beam if wanted, and return the figures of each method."""
    data = CORPUS / dataset
    paths = {"train": data / "train", "dev": data / "dev"}
    if vectors is not None:
        paths["vectors"] = vectors
    row = ROWS[f"{dataset}-glove_char_cnn"]
    overrides = {k: v for k, v in row["overrides"].items() if "threshold" not in k}
    config = config_path(row["config"], folder)
    ours = spacy.load(train(config, paths, seed, overrides, folder / "ours").model)
    results = of_ours(ours, list(Corpus(data / "dev")(ours)))
    if not with_beam:
        return results
    stock_config = load_config(config_path(None, folder))
    stock_config["components"]["ner"]["factory"] = "beam_ner"
    stock_config.to_disk(folder / "beam.cfg")
    stock = spacy.load(train(folder / "beam.cfg", paths, seed, {}, folder / "beam").model)
    examples = list(Corpus(data / "dev")(stock))
    found = found_by_beam(stock, [example.predicted for example in examples])
    return [*results, figures("beam_ner", *(judged(part, examples) for part in found))]


def by_method(runs: list[Run]) -> list[list[dict[str, Any]]]:
    """Group results by method, one result for each seed that has the method."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for result in run["methods"]:
            found.setdefault(result["method"], []).append(result)
    return list(found.values())


def means(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise over the seeds the numbers that all results of a method have."""
    keys = [
        key
        for key, value in results[0].items()
        if isinstance(value, float) and all(key in result for result in results)
    ]
    numbers = {key: summary([result[key] for result in results]) for key in keys}
    return {"method": results[0]["method"], "n_seeds": len(results), **numbers}


def of_methods(runs: list[Run]) -> dict[str, Any]:
    """Summarise the figures of each method over the seeds."""
    return {"methods": [means(of_method) for of_method in by_method(runs)]}


def draw(results: list[list[dict[str, Any]]], path: Path) -> None:
    """Draw the reliability diagram of the entities, every seed's bins as dots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(results), 3.2))
    axes = figure.subplots(1, len(results), sharey=True)
    for axis, of_method in zip(axes, results):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
        for result in of_method:
            bins = result["reliability"]
            axis.scatter([b["score"] for b in bins], [b["right"] for b in bins], s=12, color="C0")
        axis.set_title(of_method[0]["method"], fontsize=9)
        axis.set_xlabel("score")
    axes[0].set_ylabel("share that is right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(
    dataset: Annotated[str, typer.Argument(**command.one_of(DATASETS))],
    seeds: command.Seeds = command.ALL_SEEDS,
    without_beam: Annotated[
        bool,
        typer.Option("--without-beam", help="Leave out `beam_ner`, whose training takes longest"),
    ] = False,
    vectors: command.MaybeVectors = None,
    pictures: Annotated[Path, typer.Option(help="Folder of the diagram")] = PICTURES,
) -> None:
    """Run the seeds that the file lacks, and draw the diagram."""
    file = Results(
        results_of("calibration") / f"{dataset}.json", {"dataset": dataset}, ["seed"], of_methods
    )

    def run(seed: int) -> Run:
        with temporary_folder("calibration-") as folder:
            return {"methods": run_seed(dataset, seed, vectors, not without_beam, Path(folder))}

    file.fill([(seed,) for seed in seeds], run)
    draw(by_method(file.runs()), pictures / f"reliability-{dataset}.png")


def table() -> str:
    """Make the table of calibration errors, AUROC and F by method."""
    columns = {
        "f": "F",
        "auroc": "AUROC",
        "ece_entities": "ECE of entities",
        "ece_entities_by_chance": "by chance",
        "ece_candidates": "ECE of candidates",
        "ece_candidates_by_chance": "by chance",
    }
    rows = [["data", "score", "seeds", *columns.values()]]
    results = read_all("calibration")
    for result in results:
        for of_method in result["methods"]:
            n_seeds = of_method["n_seeds"]
            numbers = [
                tables.mean(of_method[key], n_seeds, 1 if key == "f" else 3)
                if key in of_method
                else "-"
                for key in columns
            ]
            data = f"{result['dataset']}{tables.unrecorded([result])}"
            rows.append([data, of_method["method"], str(n_seeds), *numbers])
    return tables.markdown(*rows) + tables.measured(results)


TABLES = {"calibration": table}

if __name__ == "__main__":
    command.run(main)
