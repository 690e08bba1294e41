"""Words a second of pipelines that find entities that overlap.

    python -m benchmarks.spans.accuracy SYSTEM --models MODELS ...  # for each system
    python -m benchmarks.spans.speed MODELS --checkout nested-ner-mlc [--corpus genia]
        [--size 3000]

The sentences of the test part go through `nlp.pipe`, with their words as tokens: through all
pipelines, one after the other, where a system has one for each group of labels. The systems take
turns, in one process with one thread. Results go to benchmarks/spans/results/speed.json.
"""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import results_of
from benchmarks.harness.results import machine, read, write
from benchmarks.spans.accuracy import NAMES, SYSTEMS
from benchmarks.spans.corpora import CORPORA
from benchmarks.spans.corpora import read as read_part

OURS = "ours"


def found_by(pipelines: Sequence[Language], sentences: Sequence[list[str]]) -> None:
    """Find the entities of all sentences."""
    for nlp in pipelines:
        for _ in nlp.pipe(Doc(nlp.vocab, words=words) for words in sentences):
            pass


def main(
    models: Annotated[Path, typer.Argument(help="Folder with the models")],
    checkout: Annotated[Path, typer.Option(help="Folder of the repository with the corpora")],
    corpus: Annotated[str, typer.Option(**command.one_of(CORPORA))] = "genia",
    size: Annotated[int, typer.Option(help="Sentences that the models were trained on")] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the models")] = 0,
    rounds: command.Rounds = 5,
) -> None:
    """Measure the systems that there are models of."""
    torch.set_num_threads(1)
    sentences = [sentence.words for sentence in read_part(checkout, corpus, "test")]
    n_words = sum(map(len, sentences))
    calls: dict[str, Callable[[], None]] = {}
    for system in SYSTEMS:
        folder = models / f"{system}-{corpus}-{size}-{seed}"
        pipelines = [spacy.load(path) for path in sorted(folder.glob("*/model-best"))]
        if pipelines:
            calls[system] = partial(found_by, pipelines, sentences)
    seconds = timing.in_turns(calls, rounds)
    rows = [
        {
            "system": system,
            "words_a_second": n_words / statistics.median(of_system),
            "ours_is_times_as_fast": timing.ratio(of_system, seconds[OURS]),
        }
        for system, of_system in seconds.items()
    ]
    settings = {"corpus": corpus, "size": size, "rounds": rounds, "threads": 1}
    result = {**settings, **machine("spacy", "thinc", "torch", "spacy-bilstm-crf"), "rows": rows}
    write(results_of("spans") / "speed.json", result)
    for row in rows:
        print(row)


def speed_table() -> str:
    """Make the table of the systems."""
    found = read("spans", "speed")
    rows = [["system", "words a second", "ours is times as fast"]]
    for row in found["rows"]:
        faster = tables.times(row["ours_is_times_as_fast"])
        rows.append([NAMES[row["system"]], f"{row['words_a_second']:,.0f}", faster])
    return tables.markdown(*rows) + tables.measured([found])


TABLES = {"spans_speed": speed_table}

if __name__ == "__main__":
    command.run(main)
