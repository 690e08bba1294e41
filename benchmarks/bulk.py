"""Words a second of `annotate`, and what its engines cost over a plain loop.

    python -m benchmarks.bulk PIPELINE [--dataset ncbi-disease] [--texts 16000] [--rounds 3]

PIPELINE is also exported, with int8, for some of the systems. All run where torch is installed. The
texts are the sentences of the data set's training part, over and over. Each system is a command
in a process of its own, with one torch thread for each process. The systems run in turns, with all
texts and with a quarter of them. Words a second are those of the other three quarters in the time
that they take longer. What is left is the start: Python, libraries, workers that load the pipeline.
The plain loop writes the same Parquet as `annotate --no-columns`, `nlp.pipe` writes nothing, and
`spacy apply` writes a DocBin. Results go to benchmarks/bulk/results/bulk.json.
"""

import shutil
import subprocess
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import torch
import typer

from benchmarks.harness import command, tables, timing
from benchmarks.harness.exporting import exported
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import calling, run_python
from benchmarks.harness.results import machine, read, write
from benchmarks.harness.training import docs_of
from spacy_bilstm_crf.inference.annotated_text import entities_of
from spacy_bilstm_crf.inference.batch.table import SCHEMA

LOOP = "plain loop"
SPACY = ("-m", "spacy")
ANNOTATE = (*SPACY, "bilstm-crf", "annotate")


def loop(pipeline: str, path: str, out: str | None = None, n_process: int = 1) -> None:
    """Run a pipeline over texts in a plain loop, and write what `annotate` writes, in one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    torch.set_num_threads(1)
    records: list[Any] = list(srsly.read_jsonl(path))
    texts = (record["text"] for record in records)
    docs = spacy.load(pipeline).pipe(texts, batch_size=128, n_process=n_process)
    if out is None:
        print(sum(len(doc.ents) for doc in docs), "entities")
        return
    rows = [
        {"id": record["id"], "entities": entities_of(doc), "n_tokens": len(doc), "error": None}
        for record, doc in zip(records, docs)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), out)


def commands(pipeline: Path, lean: Path, texts: Path, out: Path) -> dict[str, list[str]]:
    """Return the command of each system, without the interpreter.

    Args:
        pipeline: The pipeline.
        lean: The same, exported.
        texts: File of the texts.
        out: What the system writes.
    """
    given = (str(pipeline), str(texts))
    annotate = [*ANNOTATE, *given, str(out), "--no-columns", "--force"]
    annotate_lean = [*ANNOTATE, str(lean), *annotate[len(ANNOTATE) + 1 :]]
    apply = [*SPACY, "apply", *given, str(out.with_suffix(".spacy"))]
    return {
        LOOP: calling(loop, *given, str(out.with_suffix(".parquet"))),
        "`nlp.pipe`": calling(loop, *given),
        "`nlp.pipe`, exported int8": calling(loop, str(lean), str(texts)),
        "`nlp.pipe`, 2 processes": calling(loop, *given, None, 2),
        "`spacy apply`": [*apply, "--batch-size", "128", "--force"],
        "`annotate`": annotate,
        "`annotate`, exported int8": annotate_lean,
        "`annotate --jobs 2`": [*annotate, "--jobs", "2"],
        "`annotate --jobs 2`, exported int8": [*annotate_lean, "--jobs", "2"],
        "`annotate --engine ray`": [*annotate, "--engine", "ray"],
        "`annotate --engine ray --jobs 2`": [*annotate, "--engine", "ray", "--jobs", "2"],
    }


def main(
    pipeline: command.Pipeline,
    dataset: command.Dataset = "ncbi-disease",
    n_texts: Annotated[int, typer.Option("--texts", min=4, help="Number of texts")] = 16_000,
    rounds: command.Rounds = 3,
) -> None:
    """Measure all systems in turns."""
    sentences = [doc.text for doc in docs_of(CORPUS / dataset / "train")]
    texts = list(islice(cycle(sentences), n_texts))
    quarter = texts[: len(texts) // 4]
    blank = spacy.blank("en")
    n_words, n_of_quarter = (sum(map(len, blank.pipe(some))) for some in (texts, quarter))
    starts: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    with temporary_folder("bulk-") as folder:
        out = folder / "out"
        lean = exported(pipeline, folder)["int8"]
        for name, some in (("all", texts), ("quarter", quarter)):
            rows = [{"id": str(i), "text": text} for i, text in enumerate(some)]
            srsly.write_jsonl(folder / f"{name}.jsonl", rows)

        def seconds(system: str, name: str) -> float:
            shutil.rmtree(out, ignore_errors=True)
            command_of = commands(pipeline, lean, folder / f"{name}.jsonl", out)[system]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            return timing.seconds_of(lambda: run_python(*command_of, **quiet))

        for _ in range(rounds):
            for system in commands(pipeline, lean, folder, out):
                part, whole = seconds(system, "quarter"), seconds(system, "all")
                rate = (n_words - n_of_quarter) / (whole - part)
                rates.setdefault(system, []).append(rate)
                starts.setdefault(system, []).append(part - n_of_quarter / rate)
                print(system, round(starts[system][-1], 1), round(rate), flush=True)
    result = {
        **machine("spacy", "torch", "onnxruntime", "pyarrow", "ray", "spacy-bilstm-crf"),
        "threads": 1,
        "dataset": dataset,
        "texts": n_texts,
        "words": n_words,
        "rounds": rounds,
        "rows": [
            {
                "system": system,
                "start_seconds": timing.spread(starts[system]),
                "words_a_second": timing.spread(rates[system]),
                "times_as_fast_as_the_loop": timing.ratio(rates[system], rates[LOOP]),
            }
            for system in rates
        ],
    }
    write(results_of("bulk") / "bulk.json", result)


def table() -> str:
    """Make the table of words a second."""
    result = read("bulk", "bulk")
    rows = [["system", "words a second", "against the plain loop", "start, seconds"]]
    for row in result["rows"]:
        words = f"{round(row['words_a_second']['median'], -2):,.0f}"
        against = (
            tables.times(row["times_as_fast_as_the_loop"]) if row is not result["rows"][0] else ""
        )
        rows.append([row["system"], words, against, f"{row['start_seconds']['median']:.0f}"])
    about = f"{result['texts']:,} texts, {result['words']:,} words, {result['rounds']} rounds."
    return tables.markdown(*rows) + tables.measured([result], about)


TABLES = {"bulk": table}

if __name__ == "__main__":
    command.run(main)
