"""Words a second, in training and prediction: ours, spaCy's own `ner`, Flair's SequenceTagger.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.tagger --vectors FOLDER [--flair PYTHON] [--device cpu]
        [--dataset ncbi-disease]

`--vectors` is a folder that `spacy init vectors` made. `--flair` is the Python of an environment
with benchmarks/speed/requirements-flair.txt; without it Flair is left out. Each tagger has a
process of its own, with one thread; they run in turns. Every one trains as its own config or
default says; ours and Flair's have layers of the same sizes and as many word vectors, which
learn in ours and in `flair`, and do not in `flair, frozen vectors` (Flair's default). `predict`
gets tokenised documents and runs the entity recogniser with its tok2vec; `pipe` gets texts and
runs all of the pipeline.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import spacy

from benchmarks.speed.timing import machine, spread, write
from benchmarks.speed.worker import ANSWER
from benchmarks.trainings import ROOT, stock_config

ROUNDS = 5
HIDDEN = 200  # units of configs/glove_char_cnn.cfg


class Worker:
    """A tagger in another process: a module of this folder, by the Python that it needs."""

    def __init__(self, python: Path, module: str, *arguments: Any):
        self.module = module
        self.process = subprocess.Popen(
            [str(python), "-m", f"benchmarks.speed.{module}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self.about = self.answer()

    def answer(self) -> Any:
        """What it says next."""
        for line in self.process.stdout or ():
            if line.startswith(ANSWER):
                return json.loads(line[len(ANSWER) :])
        raise RuntimeError(f"{self.module} ended: see what it printed above.")

    def asked(self, command: str) -> Any:
        """Let it do something once, and say how long that took."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def words_a_second(self, command: str) -> float:
        """The same in words a second."""
        return self.about["words"]["train" if command == "train" else "predict"] / self.asked(
            command
        )


def words_of_vectors(vectors: str, folder: Path) -> tuple[Path, int]:
    """A file of the words that have a vector, and the vectors' width."""
    vocab = spacy.load(vectors).vocab
    path = folder / "words.txt"
    words = sorted(vocab.strings[key] for key in vocab.vectors)
    path.write_text("\n".join(words), encoding="utf8")
    return path, vocab.vectors_length


def flair_worker(
    flair: Path, dataset: str, vectors: str, folder: Path, fine_tune: bool, device: str = "cpu"
) -> Worker:
    """Flair's tagger, with a vector for each word that the vectors have."""
    columns = [ROOT / "corpus" / dataset / "columns" / part for part in ("train", "dev")]
    words, width = words_of_vectors(vectors, folder)
    sizes = [words, width, HIDDEN, int(fine_tune), device]
    return Worker(flair.absolute(), "flair_worker", *columns, *sizes)


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--flair")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dataset", default="ncbi-disease")
    arguments = parser.parse_args()
    corpus = ROOT / "corpus" / arguments.dataset
    with tempfile.TemporaryDirectory() as temporary:
        configs = {
            "ours, glove_char_cnn": ROOT / "configs" / "glove_char_cnn.cfg",
            "ner, accuracy": stock_config(Path(temporary) / "accuracy.cfg", "accuracy"),
            "ner, efficiency": stock_config(Path(temporary) / "efficiency.cfg", "efficiency"),
        }
        data = [corpus / "train", corpus / "dev", Path(arguments.vectors).resolve()]
        workers = {
            name: Worker(Path(sys.executable), "spacy_worker", config, *data, arguments.device)
            for name, config in configs.items()
        }
        if arguments.flair:
            for name, fine_tune in (("flair", True), ("flair, frozen vectors", False)):
                given = (Path(arguments.flair), arguments.dataset, arguments.vectors)
                workers[name] = flair_worker(*given, Path(temporary), fine_tune, arguments.device)
        ours = next(iter(workers))
        rows: list[dict[str, Any]] = []
        for what in ("predict", "pipe", "train"):
            found: dict[str, list[float]] = {name: [] for name in workers}
            for _ in range(ROUNDS):
                for name, tagger in workers.items():
                    found[name].append(tagger.words_a_second(what))
            rows.append(
                {
                    "what": what,
                    "words_a_second": {name: statistics.median(f) for name, f in found.items()},
                    "times_as_fast": {
                        name: spread([a / b for a, b in zip(found[ours], speeds)])
                        for name, speeds in found.items()
                        if name != ours
                    },
                }
            )
            print(json.dumps(rows[-1], indent=1))
        versions = {"flair": workers["flair"].about["flair"]} if arguments.flair else {}
        for tagger in workers.values():
            tagger.process.kill()
    about = {"dataset": arguments.dataset, "device": arguments.device, "threads": 1, **versions}
    name = f"tagger-{arguments.dataset}" + ("" if arguments.device == "cpu" else "-gpu")
    write(name, {**about, **machine("spacy", "thinc", "torch"), "rows": rows})


if __name__ == "__main__":
    main()
