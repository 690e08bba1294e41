"""Words a second of `annotate`, and what its engines cost over a plain loop.

    python -m benchmarks.bulk.run PIPELINE [--dataset ncbi-disease] [--texts 16000] [--rounds 3]

PIPELINE is a trained one. The texts are the sentences of the data set's training part, over and
over. Each system is a command in a process of its own, with one torch thread for each process;
they run in turns, with all texts and with a quarter of them: the words a second are those of the
other three quarters in the time that they take longer, and the start is what is left: Python,
libraries, workers that load the pipeline. The plain loop writes the same Parquet as `annotate`;
`nlp.pipe` writes nothing; `spacy apply` writes a DocBin. Results go to
benchmarks/bulk/results/bulk.json.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import spacy
import srsly

from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT, docs_of

RESULTS = Path(__file__).parent / "results"
LOOP = "plain loop"
SPACY = ("-m", "spacy")
ANNOTATE = (*SPACY, "bilstm-crf", "annotate")


def commands(pipeline: Path, texts: Path, out: Path) -> dict[str, list[str]]:
    """The systems by their names."""
    loop = ["-m", "benchmarks.bulk.loop", str(pipeline), str(texts)]
    annotate = [*ANNOTATE, str(pipeline), str(texts), str(out), "--force"]
    apply = [*SPACY, "apply", str(pipeline), str(texts), str(out.with_suffix(".spacy"))]
    return {
        LOOP: [*loop, "--out", str(out.with_suffix(".parquet"))],
        "`nlp.pipe`": loop,
        "`nlp.pipe`, 2 processes": [*loop, "--n-process", "2"],
        "`spacy apply`": [*apply, "--batch-size", "128", "--force"],
        "`annotate`": annotate,
        "`annotate --jobs 2`": [*annotate, "--jobs", "2"],
        "`annotate --engine ray`": [*annotate, "--engine", "ray"],
        "`annotate --engine ray --jobs 2`": [*annotate, "--engine", "ray", "--jobs", "2"],
    }


def seconds(command: list[str], out: Path) -> float:
    """How long a command takes."""
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--dataset", default="ncbi-disease")
    parser.add_argument("--texts", type=int, default=16000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sentences = [doc.text for doc in docs_of(ROOT / "corpus" / given.dataset / "train")]
    texts = list(islice(cycle(sentences), given.texts))
    quarter = texts[: len(texts) // 4]
    blank = spacy.blank("en")
    n_words, n_of_quarter = (sum(map(len, blank.pipe(some))) for some in (texts, quarter))
    starts: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bulk-") as temporary:
        folder = Path(temporary)
        for name, some in (("all", texts), ("quarter", quarter)):
            rows = [{"id": str(i), "text": text} for i, text in enumerate(some)]
            srsly.write_jsonl(folder / f"{name}.jsonl", rows)
        for _ in range(given.rounds):
            for system in commands(given.pipeline, folder, folder):
                out = folder / "out"
                part, whole = (
                    seconds(commands(given.pipeline, folder / f"{name}.jsonl", out)[system], out)
                    for name in ("quarter", "all")
                )
                rate = (n_words - n_of_quarter) / (whole - part)
                rates.setdefault(system, []).append(rate)
                starts.setdefault(system, []).append(part - n_of_quarter / rate)
                print(system, round(starts[system][-1], 1), round(rate), flush=True)
    result: dict[str, Any] = {
        **machine("spacy", "torch", "pyarrow", "ray", "spacy-bilstm-crf"),
        "threads": 1,
        "dataset": given.dataset,
        "texts": given.texts,
        "words": n_words,
        "rounds": given.rounds,
        "rows": [
            {
                "system": system,
                "start_seconds": spread(starts[system]),
                "words_a_second": spread(rates[system]),
                "times_as_fast_as_the_loop": spread(
                    [own / loop for own, loop in zip(rates[system], rates[LOOP])]
                ),
            }
            for system in rates
        ],
    }
    write("bulk", result, RESULTS)


if __name__ == "__main__":
    main()
