"""Whether the promise of `calibrate --recall` is kept, and how many candidates it costs.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.guarantee.run [--datasets ncbi-disease wnut17] [--seed 0]
    python -m benchmarks.tables    (puts the results into the docs)

A model is trained as `init-config` says. Then the development part and the test part are each cut
into halves, 200 times at random: one half to find the threshold by, the other to see how much is
missed. Of each part and each recall that is promised:

- the mean over the cuts of what is missed: of each document with entities the share of them that
  are not among the candidates. It must not be above 1 - recall, but for the error of so few cuts;
- the candidates for each annotated entity;
- in how many cuts it was refused, since too many entities have next to no probability.

Results go to benchmarks/guarantee/results/DATASET.json.
"""

import argparse
import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
from spacy.training import Corpus

from benchmarks.trainings import ROOT, processor, spacy_command, train
from spacy_bilstm_crf.decoding import LEAST_PROBABILITY
from spacy_bilstm_crf.workflows.risk_control import control_risk, scored_gold

RESULTS = Path(__file__).parent / "results"
RECALLS = (0.8, 0.9, 0.95)
N_CUTS = 200


class Probabilities(NamedTuple):
    """Of each document those of its entities and those of all its candidates."""

    gold: list[list[float]]
    candidates: list[np.ndarray]


def probabilities(model: Path, data: Path) -> Probabilities:
    """What a pipeline says about annotated documents."""
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    examples = list(Corpus(data)(nlp))
    gold = [[p for _, p in doc] for doc in scored_gold(ner, examples)]
    ner.candidates_threshold = LEAST_PROBABILITY
    found = ner.predict([example.predicted for example in examples])
    return Probabilities(gold, [np.array([e.probability for e in doc[1]]) for doc in found])


def cut(of: Probabilities, recall: float, rng: np.random.Generator) -> dict[str, float]:
    """Find the threshold by one half of the documents, and look at the other."""
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
    """Means over the cuts in which there is such a promise, and how many refuse it."""
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


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=["ncbi-disease", "wnut17"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for dataset in arguments.datasets:
        data = ROOT / "corpus" / dataset
        with tempfile.TemporaryDirectory() as temporary:
            config = Path(temporary) / "config.cfg"
            spacy_command("bilstm-crf", "init-config", config, "--train", data / "train")
            paths = {"train": data / "train", "dev": data / "dev"}
            model = train(config, paths, arguments.seed, {}, Path(temporary) / "out").model
            parts: dict[str, Any] = {}
            for part in ("dev", "test"):
                of = probabilities(model, data / part)
                parts[part] = {
                    "docs": len(of.gold),
                    "docs_with_entities": sum(map(bool, of.gold)),
                    "rows": [cuts(of, recall) for recall in RECALLS],
                }
        result = {"dataset": dataset, "seed": arguments.seed, "processor": processor(), **parts}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{dataset}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(result, indent=1), flush=True)


if __name__ == "__main__":
    main()
