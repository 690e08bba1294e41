"""Latency: p50 and p99 of `nlp(text)`, by the text's number of words.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.latency [--dataset ncbi-disease] [--steps 300] [--vectors FOLDER]
        [--flair PYTHON] [--models FOLDER]

Ours is configs/glove_char_cnn.cfg with a threshold: the trained pipeline, and what `export` makes
of it. The others are spaCy's `ner` by its efficiency and accuracy configs. All are trained here for
a few steps, on the same vectors where they read some; --models keeps them, and those that it has
are not trained again. Flair's SequenceTagger, as in `tagger.py`, is in a process of its own, and
left out without --flair. Texts are cut out of the test part (Flair's of the development part), each
another one. The systems run in turns, with one thread; a round has as many calls of each. Results
go to benchmarks/speed/results/latency.json.
"""

import statistics
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import spacy
import torch
import typer
from spacy.language import Language

from benchmarks.harness import command, tables
from benchmarks.harness.exporting import exported
from benchmarks.harness.paths import CORPUS, VECTORS, WITH_VECTORS, results_of, temporary_folder
from benchmarks.harness.results import machine, read, write
from benchmarks.harness.training import LIKELY, docs_of, length, stock_config, train
from benchmarks.speed.tagger import EXPORTED_OURS, OURS, Worker, flair_worker, ratios_to_peers
from benchmarks.speed.worker import CALLS, TEXT_WORDS, one_by_one, texts_of

LENGTHS = list(TEXT_WORDS)


def pipelines(dataset: str, steps: int, vectors: Path, folder: Path) -> dict[str, Path]:
    """Train the systems of this process, except those that the folder has, and export ours."""
    data = CORPUS / dataset
    paths = {"train": data / "train", "dev": data / "dev"}
    few = {"training.max_steps": steps, "training.eval_frequency": steps}
    with_vectors = {**paths, "vectors": vectors}
    trainings = {
        "ours": (with_vectors, {**LIKELY, **length(steps)}),
        "efficiency": (paths, few),
        "accuracy": (with_vectors, few),
    }
    models = {name: folder / name / "model-best" for name in trainings}
    missing = [name for name in trainings if not models[name].exists()]
    with temporary_folder() as configs:
        for name in missing:
            path = configs / f"{name}.cfg"
            config = WITH_VECTORS if name == "ours" else stock_config(path, name)
            train(config, trainings[name][0], 0, trainings[name][1], folder / name)
    lean = exported(models["ours"], folder)
    return {
        OURS: models["ours"],
        **{name: lean[precision] for precision, name in EXPORTED_OURS.items()},
        "ner, efficiency": models["efficiency"],
        "ner, accuracy": models["accuracy"],
    }


class Here(NamedTuple):
    """A pipeline of this process, and the words that texts are made of."""

    nlp: Language
    words: list[str]

    def round(self, n_words: int, number: int) -> list[float]:
        """Return the seconds of each text of a round."""
        texts = texts_of(self.words, n_words, CALLS, number * CALLS)
        return one_by_one(self.nlp, texts)


class There(NamedTuple):
    """A tagger in another process."""

    worker: Worker

    def round(self, n_words: int, number: int) -> list[float]:
        """Return the seconds of each text of a round."""
        return cast(list[float], self.worker.asked(f"text {n_words}"))


System = Here | There


def row(systems: dict[str, System], n_words: int, rounds: int) -> dict[str, Any]:
    """Measure all systems on texts of one length, in turns."""
    for system in systems.values():
        system.round(n_words, 0)  # with what is set up at the first calls
    found: dict[str, list[list[float]]] = {name: [] for name in systems}
    for number in range(rounds):
        for name, system in systems.items():
            found[name].append([1000 * each for each in system.round(n_words, number)])
    every = {name: list(chain.from_iterable(parts)) for name, parts in found.items()}
    medians = {name: [statistics.median(part) for part in parts] for name, parts in found.items()}
    return {
        "words": n_words,
        "p50": {name: statistics.median(every[name]) for name in systems},
        "p99": {name: statistics.quantiles(every[name], n=100)[98] for name in systems},
        "takes_of_its_time": ratios_to_peers(medians),
    }


def main(
    dataset: command.Dataset = "ncbi-disease",
    steps: command.Steps = 300,
    vectors: command.Vectors = VECTORS,
    lengths: Annotated[
        list[int],
        typer.Option("--words", **command.one_of(TEXT_WORDS, "Words of a text", int)),
    ] = LENGTHS,
    flair: command.Flair = None,
    rounds: command.Rounds = 12,
    models: command.Models = None,
) -> None:
    """Measure all systems on texts of all lengths."""
    torch.set_num_threads(1)
    with temporary_folder("latency-") as temporary:
        folder = temporary if models is None else models.absolute()
        folder.mkdir(exist_ok=True, parents=True)
        words = [token.text for doc in docs_of(CORPUS / dataset / "test") for token in doc]
        paths = pipelines(dataset, steps, vectors, folder)
        systems: dict[str, System] = {
            name: Here(spacy.load(path), words) for name, path in paths.items()
        }
        if flair is not None:
            worker = flair_worker(flair, dataset, vectors.resolve(), folder, fine_tune=True)
            systems["flair"] = There(worker)
        rows = []
        for n_words in lengths:
            rows.append(row(systems, n_words, rounds))
            print(rows[-1], flush=True)
        if flair is not None:
            worker.process.kill()
    about = {"dataset": dataset, "threads": 1, **machine("spacy", "thinc", "torch", "onnxruntime")}
    write(results_of("speed") / "latency.json", {**about, "rows": rows})


def table() -> str:
    """Make the table of how long one text takes, and what share of its peers' time that is."""
    result = read("speed", "latency")
    peers = list(result["rows"][0]["takes_of_its_time"][OURS])
    rows = [["words", "system", "p50 / p99, ms", *(f"of {name}" for name in peers)]]
    for row in result["rows"]:
        for name in row["p50"]:
            times = f"{row['p50'][name]:.1f} / {row['p99'][name]:.1f}"
            shares = row["takes_of_its_time"].get(name, {})
            cells = [tables.times(shares[peer], digits=2) if shares else "" for peer in peers]
            rows.append([f"{row['words']}", name, times, *cells])
    return tables.markdown(*rows) + tables.measured([result])


TABLES = {"latency": table}

if __name__ == "__main__":
    command.run(main)
