"""What a second core brings: torch threads and processes, in prediction and in training.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.speed.cores [--dataset ncbi-disease] [--vectors FOLDER] [--texts 16000]

configs/glove_char_cnn.cfg, trained for some batches, with a threshold. `pipe` gives so many texts
of the development part to `nlp.pipe`; its processes are started anew in each round, and that
counts. `exported` does the same with what `export --precision int8` makes of the pipeline. `text`
calls `nlp(text)`, `train` takes steps of training. All run in turns, in one process; nothing else
should. Results go to benchmarks/speed/results/cores.json.
"""

import statistics
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Annotated, Any, NamedTuple

import spacy
import torch
import typer
from spacy.language import Language

from benchmarks.harness import command, tables, timing
from benchmarks.harness.exporting import exported
from benchmarks.harness.paths import CORPUS, VECTORS, WITH_VECTORS, results_of, temporary_folder
from benchmarks.harness.results import machine, read, write
from benchmarks.speed.spacy_worker import Tagger

SINGLE_TEXTS = 400
THRESHOLD = 0.5


class Way(NamedTuple):
    """So many torch threads in each of so many processes."""

    threads: int
    processes: int

    @property
    def name(self) -> str:
        """Its name in the table."""
        if self.processes > 1:
            return f"n_process={self.processes}"
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}"


ONE = Way(1, 1)
THREADS = (ONE, Way(2, 1))
TWO_PROCESSES = Way(1, 2)
# What is done, and in which ways; `nlp.pipe` itself sets one thread in each process. What is
# exported always has one
WAYS = {
    "pipe": (*THREADS, TWO_PROCESSES),
    "exported": (ONE, TWO_PROCESSES),
    "text": THREADS,
    "train": THREADS,
}
NAMES = {
    "pipe": "`nlp.pipe`, many texts",
    "exported": "`nlp.pipe`, many texts, exported int8",
    "text": "`nlp(text)`",
    "train": "training",
}


def main(
    dataset: command.Dataset = "ncbi-disease",
    vectors: command.Vectors = VECTORS,
    n_texts: Annotated[int, typer.Option("--texts", help="Number of texts")] = 16_000,
    rounds: command.Rounds = 5,
) -> None:
    """Measure all ways in turns."""
    corpus = CORPUS / dataset
    tagger = Tagger(str(WITH_VECTORS), str(corpus / "train"), str(corpus / "dev"), str(vectors))
    ner: Any = tagger.nlp.get_pipe("ner")
    ner.threshold = THRESHOLD
    texts = list(islice(cycle(tagger.texts), n_texts))
    with temporary_folder() as folder:
        tagger.nlp.to_disk(folder / "trained")
        lean = spacy.load(exported(folder / "trained", folder)["int8"])

    def pipe(nlp: Language, way: Way) -> None:
        for _ in nlp.pipe(texts, n_process=way.processes):
            pass

    def text(way: Way) -> None:
        for each in texts[:SINGLE_TEXTS]:
            tagger.nlp(each)

    def train(way: Way) -> None:
        tagger.train(tagger.examples)

    works: dict[str, Callable[[Way], None]] = {
        "pipe": partial(pipe, tagger.nlp),
        "exported": partial(pipe, lean),
        "text": text,
        "train": train,
    }
    rows: list[dict[str, Any]] = []
    for what, ways in WAYS.items():
        found: dict[Way, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way in ways:
                torch.set_num_threads(way.threads)
                found[way].append(timing.seconds_of(partial(works[what], way)))
        for way in ways:
            rows.append(
                {
                    "what": what,
                    "way": way.name,
                    "seconds": statistics.median(found[way]),
                    "times_as_fast": timing.ratio(found[ONE], found[way]),
                }
            )
            print(rows[-1], flush=True)
    about = {"dataset": dataset, "texts": len(texts), "rounds": rounds}
    versions = machine("spacy", "thinc", "torch", "onnxruntime")
    write(results_of("speed") / "cores.json", {**about, **versions, "rows": rows})


def table() -> str:
    """Make the table of what a second core brings."""
    result = read("speed", "cores")
    rows = [["what", "how", "times as fast as one thread"]]
    for row in result["rows"]:
        if row["way"] != ONE.name:
            rows.append([NAMES[row["what"]], row["way"], tables.times(row["times_as_fast"])])
    texts = f"{result['texts']:,} texts, two cores."
    return tables.markdown(*rows) + tables.note(f"Processor: {result['processor']}.", texts)


TABLES = {"cores": table}

if __name__ == "__main__":
    command.run(main)
