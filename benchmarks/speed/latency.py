"""How long a pipeline takes for one text: p50 and p99 of `nlp(text)`, by its number of words.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.latency [--dataset ncbi-disease] [--steps 300] [--vectors FOLDER]
        [--flair PYTHON]

Ours is configs/glove_char_cnn.cfg with a threshold, the others spaCy's `ner` by its efficiency and
accuracy configs; all are trained here for a few steps, on the same vectors where they read some.
Flair's SequenceTagger, as in `tagger.py`, is in a process of its own, and left out without
`--flair`. Texts are cut out of the test part (Flair's of the development part), each another one.
The systems run in turns, with one thread; a round has as many calls of each.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import spacy
import torch
from spacy.language import Language

from benchmarks.accuracy.run import LIKELY
from benchmarks.speed.tagger import Worker, flair_worker
from benchmarks.speed.timing import machine, spread, write
from benchmarks.speed.worker import CALLS, TEXT_WORDS, one_by_one, texts_of
from benchmarks.trainings import ROOT, VECTORS, docs_of, length, stock_config, train

ROUNDS = 12
OURS = "ours, glove_char_cnn"


def pipelines(dataset: str, steps: int, vectors: Path, folder: Path) -> dict[str, Language]:
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


class Here(NamedTuple):
    """A pipeline of this process, and the words that texts are made of."""

    nlp: Language
    words: list[str]

    def round(self, n_words: int, number: int) -> list[float]:
        """Seconds of each text of a round."""
        texts = texts_of(self.words, n_words, CALLS, number * CALLS)
        return one_by_one(self.nlp, texts)


class There(NamedTuple):
    """A tagger in another process."""

    worker: Worker

    def round(self, n_words: int, number: int) -> list[float]:
        """Seconds of each text of a round."""
        return cast(list[float], self.worker.asked(f"text {n_words}"))


System = Here | There


def percentile(values: list[float], percent: int) -> float:
    """One of a list."""
    return statistics.quantiles(values, n=100)[percent - 1]


def row(systems: dict[str, System], n_words: int) -> dict[str, Any]:
    """All systems on texts of one length."""
    for system in systems.values():
        system.round(n_words, 0)  # with whatever is made at the first calls
    found: dict[str, list[list[float]]] = {name: [] for name in systems}
    for number in range(ROUNDS):
        for name, system in systems.items():
            found[name].append([1000 * each for each in system.round(n_words, number)])
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
    parser.add_argument("--words", nargs="+", type=int, default=TEXT_WORDS, choices=TEXT_WORDS)
    parser.add_argument("--flair", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="latency-") as temporary:
        folder = Path(temporary)
        words = [t.text for doc in docs_of(ROOT / "corpus" / given.dataset / "test") for t in doc]
        loaded = pipelines(given.dataset, given.steps, given.vectors, folder)
        systems: dict[str, System] = {name: Here(nlp, words) for name, nlp in loaded.items()}
        if given.flair is not None:
            settings = (given.flair, given.dataset, str(given.vectors.resolve()), folder)
            systems["flair"] = There(flair_worker(*settings, fine_tune=True))
        rows = []
        for n_words in given.words:
            rows.append(row(systems, n_words))
            print(rows[-1], flush=True)
        for system in systems.values():
            if isinstance(system, There):
                system.worker.process.kill()
    about = {"dataset": given.dataset, "threads": 1, **machine("spacy", "thinc", "torch")}
    write("latency", {**about, "rows": rows})


if __name__ == "__main__":
    main()
