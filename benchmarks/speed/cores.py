"""What a second core brings: torch threads and processes, in prediction and in training.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.cores [--dataset ncbi-disease] [--vectors FOLDER] [--texts 16000]

configs/glove_char_cnn.cfg, trained for some batches, with a threshold. `pipe` gives so many texts
to `nlp.pipe`, one after the other out of the development part; its processes are started anew in
each round, and that counts. `text` calls `nlp(text)`, `train` takes steps of training. All run in
turns, in one process; nothing else should.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.speed.spacy_worker import Tagger
from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT, VECTORS

ROUNDS = 5
SINGLE_TEXTS = 400
THRESHOLD = 0.5


class Way(NamedTuple):
    """So many torch threads in each of so many processes."""

    threads: int
    processes: int

    @property
    def name(self) -> str:
        """As the table has it."""
        if self.processes > 1:
            return f"n_process={self.processes}"
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}"


ONE = Way(1, 1)
THREADS = (ONE, Way(2, 1))
# What is done, and in which ways; `nlp.pipe` itself sets one thread in each process
WAYS = {"pipe": (*THREADS, Way(1, 2)), "text": THREADS, "train": THREADS}


def seconds(work: Callable[[Way], Any], way: Way) -> float:
    """How long it takes."""
    torch.set_num_threads(way.threads)
    begin = time.perf_counter()
    work(way)
    return time.perf_counter() - begin


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ncbi-disease")
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--texts", type=int, default=16_000)
    given = parser.parse_args()
    corpus = ROOT / "corpus" / given.dataset
    config = ROOT / "configs" / "glove_char_cnn.cfg"
    tagger = Tagger(*map(str, (config, corpus / "train", corpus / "dev", given.vectors)))
    ner: Any = tagger.nlp.get_pipe("ner")
    ner.threshold = THRESHOLD
    texts = list(islice(cycle(tagger.texts), given.texts))

    def pipe(way: Way) -> None:
        for _ in tagger.nlp.pipe(texts, n_process=way.processes):
            pass

    def text(way: Way) -> None:
        for each in texts[:SINGLE_TEXTS]:
            tagger.nlp(each)

    def train(way: Way) -> None:
        tagger.train(tagger.examples)

    works: dict[str, Callable[[Way], None]] = {"pipe": pipe, "text": text, "train": train}
    rows: list[dict[str, Any]] = []
    for what, ways in WAYS.items():
        rounds = [[seconds(works[what], way) for way in ways] for _ in range(ROUNDS)]
        for place, way in enumerate(ways):
            rows.append(
                {
                    "what": what,
                    "way": way.name,
                    "seconds": statistics.median(times[place] for times in rounds),
                    "times_as_fast": spread([times[0] / times[place] for times in rounds]),
                }
            )
            print(rows[-1], flush=True)
    about = {"dataset": given.dataset, "texts": len(texts), "rounds": ROUNDS}
    write("cores", {**about, **machine("spacy", "thinc", "torch"), "rows": rows})


if __name__ == "__main__":
    main()
