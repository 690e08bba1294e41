"""How long a pipeline takes for one text: p50 and p99 of `nlp(text)`, by its number of words.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.latency [--dataset ncbi-disease] [--steps 300] [--vectors FOLDER]

Ours is configs/glove_char_cnn.cfg with a threshold, the others spaCy's `ner` by its efficiency and
accuracy configs; all are trained here for a few steps, on the same vectors where they read some.
Texts are cut out of the test part, each another one. The systems run in turns,
with one thread; a round has as many calls of each.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import spacy
import torch
from spacy.language import Language

from benchmarks.accuracy.run import LIKELY
from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT, VECTORS, docs_of, length, stock_config, train

WORDS = (5, 25, 100, 400)
ROUNDS = 12
CALLS = 40  # of each system in a round
OURS = "ours, glove_char_cnn"


def pipelines(dataset: str, steps: int, vectors: Path, folder: Path) -> Dict[str, Language]:
    """The trained systems by their names."""
    data = ROOT / "corpus" / dataset
    paths = {"train": data / "train", "dev": data / "dev"}
    found = {}
    for name, config, overrides in (
        (OURS, ROOT / "configs" / "glove_char_cnn.cfg", {**LIKELY, **length(steps)}),
        ("ner, efficiency", stock_config(folder / "e.cfg", "efficiency"), {}),
        ("ner, accuracy", stock_config(folder / "a.cfg", "accuracy"), {}),
    ):
        given = {**paths, **({} if name == "ner, efficiency" else {"vectors": vectors})}
        overrides = {"training.max_steps": steps, "training.eval_frequency": steps, **overrides}
        found[name] = spacy.load(train(config, given, 0, overrides, folder / name).model)
    return found


def texts_of(dataset: str, n_words: int, n: int) -> List[str]:
    """Texts of so many words, one after the other out of the test part."""
    docs = docs_of(ROOT / "corpus" / dataset / "test")
    words = [token.text for doc in docs for token in doc]
    starts = (place * n_words % (len(words) - n_words) for place in range(n))
    return [" ".join(words[start : start + n_words]) for start in starts]


def milliseconds(nlp: Language, texts: List[str]) -> List[float]:
    """How long each text takes."""
    found = []
    for text in texts:
        begin = time.perf_counter()
        nlp(text)
        found.append(1000 * (time.perf_counter() - begin))
    return found


def percentile(values: List[float], percent: int) -> float:
    """One of a list."""
    return statistics.quantiles(values, n=100)[percent - 1]


def row(systems: Dict[str, Language], dataset: str, n_words: int) -> Dict[str, Any]:
    """All systems on texts of one length."""
    texts = texts_of(dataset, n_words, ROUNDS * CALLS)
    for nlp in systems.values():
        milliseconds(nlp, texts[:CALLS])  # with whatever is made at the first calls
    found: Dict[str, List[List[float]]] = {name: [] for name in systems}
    for start in range(0, len(texts), CALLS):
        for name, nlp in systems.items():
            found[name].append(milliseconds(nlp, texts[start : start + CALLS]))
    every = {name: [value for part in rounds for value in part] for name, rounds in found.items()}
    medians = {name: [statistics.median(part) for part in rounds] for name, rounds in found.items()}
    return {
        "words": n_words,
        "p50": {name: statistics.median(values) for name, values in every.items()},
        "p99": {name: percentile(values, 99) for name, values in every.items()},
        "ours_takes_of_its_time": {
            name: spread([own / other for own, other in zip(medians[OURS], of_name)])
            for name, of_name in medians.items()
            if name != OURS
        },
    }


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ncbi-disease")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--words", nargs="+", type=int, default=WORDS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="latency-") as temporary:
        systems = pipelines(given.dataset, given.steps, given.vectors, Path(temporary))
        rows = []
        for n_words in given.words:
            rows.append(row(systems, given.dataset, n_words))
            print(rows[-1], flush=True)
    about = {"dataset": given.dataset, "threads": 1, **machine("spacy", "thinc", "torch")}
    write("latency", {**about, "rows": rows})


if __name__ == "__main__":
    main()
