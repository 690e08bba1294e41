"""Words a second, in training and prediction: ours, spaCy's own `ner`, Flair's SequenceTagger.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.tagger [--vectors FOLDER] [--flair PYTHON] [--device cpu]
        [--dataset ncbi-disease]

--flair is the Python of an environment with benchmarks/speed/requirements-flair.txt; without it
Flair is left out. Each tagger has a process of its own, with one thread; they run in turns. Each
one trains as its own config or default says. Ours is also measured exported, in prediction on a
CPU. Ours and Flair's have layers of the same sizes and as
many word vectors, which learn in ours and in `flair`, and do not in `flair, frozen vectors`
(Flair's default). `predict` gets tokenised documents and runs the entity recognizer with its
tok2vec; `pipe` gets texts and runs the whole pipeline. Results go to
benchmarks/speed/results/tagger-DATASET.json.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer

from benchmarks.harness import command, tables, timing
from benchmarks.harness.exporting import EXPORTED
from benchmarks.harness.paths import CORPUS, VECTORS, WITH_VECTORS, results_of, temporary_folder
from benchmarks.harness.processes import start_python
from benchmarks.harness.results import machine, read_all, write
from benchmarks.harness.training import stock_config
from benchmarks.speed.worker import ANSWER

HIDDEN = 200  # units of configs/glove_char_cnn.cfg
OURS = "ours, glove_char_cnn"
EXPORTED_OURS = {precision: f"ours, {name}" for precision, name in EXPORTED.items()}
NAMES = {
    "predict": "prediction, tokenised docs",
    "pipe": "`nlp.pipe` of texts",
    "train": "training",
}


class Worker:
    """A tagger in another process: a module, by the Python that it needs.

    Args:
        python: The Python.
        module: The module, as `-m` takes it.
        arguments: Its arguments.
        options: Of `subprocess.Popen`.
    """

    def __init__(self, python: Path, module: str, *arguments: Any, **options: Any):
        self.module = module
        self.process = start_python(
            *("-m", module, *arguments),
            interpreter=python,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        self.about = self.answer()

    def answer(self) -> Any:
        """Return its next answer."""
        for line in self.process.stdout or ():
            if line.startswith(ANSWER):
                return json.loads(line[len(ANSWER) :])
        raise RuntimeError(f"{self.module} ended: see what it printed above.")

    def asked(self, command: str) -> Any:
        """Send a command, and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def words_a_second(self, command: str) -> float:
        """Send a command, and return its speed."""
        n_words = self.about["words"]["train" if command == "train" else "predict"]
        return n_words / self.asked(command)


def words_of_vectors(vectors: Path, folder: Path) -> tuple[Path, int]:
    """Write the words that have a vector to a file; returns it and the vectors' width."""
    vocab = spacy.load(vectors).vocab
    path = folder / "words.txt"
    words = sorted(vocab.strings[key] for key in vocab.vectors)
    path.write_text("\n".join(words), encoding="utf8")
    return path, vocab.vectors_length


def flair_worker(
    flair: Path, dataset: str, vectors: Path, folder: Path, fine_tune: bool, device: str = "cpu"
) -> Worker:
    """Start Flair's tagger, with a vector for each word that the vectors have."""
    columns = [CORPUS / dataset / "columns" / part for part in ("train", "dev")]
    words, width = words_of_vectors(vectors, folder)
    sizes = [words, width, HIDDEN, int(fine_tune), device]
    return Worker(flair.absolute(), "benchmarks.speed.flair_worker", *columns, *sizes)


def workers_of(
    dataset: str, vectors: Path, flair: Path | None, device: str, folder: Path
) -> dict[str, Worker]:
    """Start all taggers."""
    corpus = CORPUS / dataset
    configs = {
        OURS: WITH_VECTORS,
        "ner, accuracy": stock_config(folder / "accuracy.cfg", "accuracy"),
        "ner, efficiency": stock_config(folder / "efficiency.cfg", "efficiency"),
    }
    given = (corpus / "train", corpus / "dev", vectors.resolve(), device)
    arguments: dict[str, tuple[Any, ...]] = {
        name: (config, *given) for name, config in configs.items()
    }
    if device == "cpu":
        exported = {name: (*arguments[OURS], each) for each, name in EXPORTED_OURS.items()}
        arguments = {OURS: arguments[OURS], **exported, **arguments}
    workers = {
        name: Worker(Path(sys.executable), "benchmarks.speed.spacy_worker", *each)
        for name, each in arguments.items()
    }
    if flair is not None:
        for name, fine_tune in (("flair", True), ("flair, frozen vectors", False)):
            workers[name] = flair_worker(flair, dataset, vectors, folder, fine_tune, device)
    return workers


def ratios_to_peers(found: Mapping[str, list[float]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the ratio of each of ours to each system that is not ours.

    Args:
        found: What was measured of each system, round by round.
    """
    ours = [name for name in found if name in (OURS, *EXPORTED_OURS.values())]
    return {
        mine: {name: timing.ratio(found[mine], found[name]) for name in found if name not in ours}
        for mine in ours
    }


def main(
    vectors: command.Vectors = VECTORS,
    flair: command.Flair = None,
    device: Annotated[str, typer.Option(help="Device of torch")] = "cpu",
    dataset: command.Dataset = "ncbi-disease",
    rounds: command.Rounds = 5,
) -> None:
    """Measure all taggers in turns."""
    with temporary_folder() as folder:
        workers = workers_of(dataset, vectors, flair, device, folder)
        rows: list[dict[str, Any]] = []
        lean = EXPORTED_OURS.values()  # can't be trained
        for what in NAMES:
            found: dict[str, list[float]] = {
                name: [] for name in workers if what != "train" or name not in lean
            }
            for _ in range(rounds):
                for name in found:
                    found[name].append(workers[name].words_a_second(what))
            speeds = {name: statistics.median(values) for name, values in found.items()}
            ratios = ratios_to_peers(found)
            rows.append({"what": what, "words_a_second": speeds, "times_as_fast": ratios})
            print(json.dumps(rows[-1], indent=1), flush=True)
        for worker in workers.values():
            worker.process.kill()
    about: dict[str, Any] = {"dataset": dataset, "device": device, "threads": 1}
    if flair is not None:
        about["flair"] = workers["flair"].about["flair"]
    name = f"tagger-{dataset}" + ("" if device == "cpu" else "-gpu")
    versions = machine("spacy", "thinc", "torch", "onnxruntime")
    write(results_of("speed") / f"{name}.json", {**about, **versions, "rows": rows})


def table() -> str:
    """Make the table of words a second, and how many times as fast as its peers ours is."""
    results = read_all("speed", "tagger-*.json")
    peers = list(results[0]["rows"][0]["times_as_fast"][OURS])
    rows = [["data", "what", "system", "words a second", *(f"against {name}" for name in peers)]]
    for result in results:
        data = result["dataset"] + (" on a GPU" if result["device"] != "cpu" else "")
        for row in result["rows"]:
            for name, ratios in row["times_as_fast"].items():
                speed = f"{round(row['words_a_second'][name], -2):,.0f}"
                cells = [tables.times(ratios[peer]) for peer in peers]
                rows.append([data, NAMES[row["what"]], name, speed, *cells])
    flair = ", ".join(sorted({result["flair"] for result in results}))
    return tables.markdown(*rows) + tables.measured(results, f"Flair {flair}.")


TABLES = {"tagger": table}

if __name__ == "__main__":
    command.run(main)
