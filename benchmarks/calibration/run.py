"""How well probabilities of entities hold: ours, the stock beam's, a softmax over emissions.

    pip install -r benchmarks/calibration/requirements.txt
    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.calibration.run DATASET [--seeds 0 1 2] [--without-beam]
        [--vectors FOLDER]
    python -m benchmarks.tables    (puts the results into README and docs)

DATASET is wnut17 or ncbi-disease. Models are trained on the training part; the development part
is cut into two halves, and the calibration of each half is fitted on the other. Per method:

- ECE, the expected calibration error (Guo et al. 2017, eq. 3) of the entities found, in ten bins,
  and of all candidates of a probability of at least 0.01, for those that have them. Beside it, the
  error that is to be expected of so few spans even if each were right with exactly its score:
  nothing can be told apart below that;
- AUROC, how well the score ranks right entities above wrong ones: 0.5 is chance;
- F1 of the entities.

The numbers, with those of the reliability diagram, go to benchmarks/calibration/results/ as JSON,
the diagram to docs/assets/ as PNG. Seeds that are there already are kept. `--without-beam` leaves
out `beam_ner`, which takes several times as long to train as ours.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from matplotlib.figure import Figure
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import load_config

from benchmarks.accuracy.run import ROWS
from benchmarks.trainings import ROOT, Results, Run, config_path, processor, summary, train
from spacy_bilstm_crf.calibration import Calibration
from spacy_bilstm_crf.tags import tags_of_span
from spacy_bilstm_crf.workflows.report.probabilities import (
    Scored,
    calibration_error,
    error_of_chance,
    reliability,
)

RESULTS = Path(__file__).parent / "results"
DRAWINGS = ROOT / "docs" / "assets"
LEAST = 0.01  # probability of a candidate
BEAM_WIDTH = 16

Found = dict[tuple[int, int, str], float]  # scores of spans


def judged(found: list[Found], examples: list[Example]) -> Scored:
    """Compare what was found with the annotation, doc by doc."""
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
    """What was found in several parts of the data."""
    scores, right, n_gold = zip(*parts)
    return Scored(np.concatenate(scores), np.concatenate(right), sum(n_gold))


def auroc(scored: Scored) -> float:
    """The share of pairs of a right and a wrong one in which the right one scores higher."""
    right, wrong = scored.scores[scored.right], scored.scores[~scored.right]
    difference = right[:, None] - wrong[None, :]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def found_by_ours(nlp: Language, docs: list[Doc]) -> tuple[list[Found], list[Found]]:
    """Entities and candidates with their probabilities."""
    ner: Any = nlp.get_pipe("ner")
    ner.cfg.update(candidates_threshold=LEAST, threshold=None)
    return tuple(  # type: ignore[return-value]
        [{(e.start, e.end, ner.labels[e.label]): e.probability for e in part} for part in parts]
        for parts in zip(*ner.predict(docs))
    )


def emission_scores(nlp: Language, docs: list[Doc], found: list[Found]) -> list[Found]:
    """The same entities, with their tags' mean probability in a softmax over emissions."""
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
    """Entities and candidates of the stock `beam_ner`, with the beam's shares."""
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


def measured(name: str, entities: Scored, candidates: Scored | None = None) -> dict[str, Any]:
    """The figures of a method."""
    result = {
        "method": name,
        "n_entities": len(entities.scores),
        "ece_entities": calibration_error(entities),
        "ece_entities_by_chance": error_of_chance(entities),
        "auroc": auroc(entities),
        "f": float(200 * entities.right.sum() / (len(entities.right) + entities.n_gold)),
        "reliability": reliability(entities),
    }
    if candidates is not None:
        result["n_candidates"] = len(candidates.scores)
        result["ece_candidates"] = calibration_error(candidates)
        result["ece_candidates_by_chance"] = error_of_chance(candidates)
        result["reliability_candidates"] = reliability(candidates)
    return result


def of_ours(nlp: Language, examples: list[Example]) -> list[dict[str, Any]]:
    """Figures of our probabilities, as trained and calibrated, and of the softmax."""
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
        result = measured(name, entities, None if "softmax" in name else candidates)
        if "calibrated" in name:
            result["calibrations"] = [each._asdict() for each in calibrations]
            # One half's error with the other half's calibration
            for i, of_half in enumerate(of_halves):
                for what, scored in zip(("entities", "candidates"), of_half):
                    result[f"ece_{what}_half_{i}"] = calibration_error(scored)
                    result[f"ece_{what}_half_{i}_by_chance"] = error_of_chance(scored)
        results.append(result)
    return results


def run_seed(
    dataset: str, seed: int, paths: dict[str, str], with_beam: bool, folder: Path
) -> list[dict[str, Any]]:
    """Train ours, and the beam if wanted, and measure them."""
    data = ROOT / "corpus" / dataset
    paths = {"train": str(data / "train"), "dev": str(data / "dev"), **paths}
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
    return [*results, measured("beam_ner", *(judged(part, examples) for part in found))]


def by_method(runs: list[Run]) -> list[list[dict[str, Any]]]:
    """Of each method its results, one for each seed that has any."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for result in run["methods"]:
            found.setdefault(result["method"], []).append(result)
    return list(found.values())


def means(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and deviation over the seeds of what all of a method's results have."""
    keys = [
        key
        for key, value in results[0].items()
        if isinstance(value, float) and all(key in result for result in results)
    ]
    numbers = {key: summary([result[key] for result in results]) for key in keys}
    return {"method": results[0]["method"], "n_seeds": len(results), **numbers}


def of_methods(runs: list[Run]) -> dict[str, Any]:
    """The figures of each method, over the seeds."""
    return {"methods": [means(of_method) for of_method in by_method(runs)]}


def draw(results: list[list[dict[str, Any]]], path: Path) -> None:
    """The reliability diagram of the entities, every seed's bins as dots."""
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


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=["wnut17", "ncbi-disease"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--without-beam", action="store_true")
    parser.add_argument("--vectors")
    arguments = parser.parse_args()
    with_beam = not arguments.without_beam
    paths = {"vectors": arguments.vectors} if arguments.vectors else {}
    settings = {"dataset": arguments.dataset}
    results = Results(RESULTS / f"{arguments.dataset}.json", settings, ["seed"], of_methods)
    for seed in arguments.seeds:
        if results.has(seed):
            continue
        with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
            methods = run_seed(arguments.dataset, seed, paths, with_beam, Path(folder))
        result = results.add({"seed": seed, "processor": processor(), "methods": methods})
        draw(by_method(result["runs"]), DRAWINGS / f"reliability-{arguments.dataset}.png")
        print(json.dumps(result["methods"], indent=1))


if __name__ == "__main__":
    main()
