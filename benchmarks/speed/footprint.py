"""What a process costs until it has found its first entity: time, memory, space on disk.

    python -m benchmarks.speed.footprint PIPELINE [--dataset four-domains] [--rounds 11]

PIPELINE is ours, trained on the data set. It is exported here, and spaCy's own `ner` is trained
here, by the efficiency config. Each system has what it needs in an environment of its own, made by
pip with the versions of requirements.txt: spaCy for the stock `ner`, this package with what it
requires for PIPELINE, and requirements-runtime.txt, which has no torch, for what is exported.

A process loads the pipeline and reads a text of the test part, in which all of them find an entity.
The systems run in turns, with one thread, after a round that does not count: the files are in the
system's cache. Memory is VmRSS after the text (only Linux tells). Results go to
benchmarks/speed/results/footprint.json.
"""

import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import spacy

from benchmarks.harness import command, tables, timing
from benchmarks.harness.exporting import EXPORTED, exported
from benchmarks.harness.paths import CORPUS, ROOT, results_of, temporary_folder
from benchmarks.harness.processes import start_python
from benchmarks.harness.results import machine, read, write
from benchmarks.harness.training import docs_of, stock_config, train

OURS, STOCK = "ours", "stock `ner`"
STOCK_STEPS = 1000
MOST_WORDS = 40  # of the text
ALONE = ["-I"]  # without PYTHONPATH and the project's folder: Python finds what is installed
PINNED = ("--constraint", ROOT / "requirements.txt")
FIRST_TEXT = r"""
import json, re, sys, time
import spacy

doc = spacy.load(sys.argv[1])(sys.argv[2])
assert doc.ents
seconds = time.process_time()
kilobytes = re.search(r"VmRSS:\s+(\d+) kB", open("/proc/self/status").read())[1]
found = {"processor_seconds": seconds, "memory_mb": int(kilobytes) * 1024 / 1e6}
print(json.dumps(found), flush=True)
"""


class Environment(NamedTuple):
    """An environment: its Python, and what it takes on disk."""

    python: Path
    megabytes: float


class System(NamedTuple):
    """A pipeline, and the environment that it runs in."""

    pipeline: Path
    environment: Environment


def environment(folder: Path, *requirements: Any) -> Environment:
    """Make an environment.

    Args:
        folder: Its folder.
        requirements: Arguments of `pip install`.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, *ALONE, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*map(str, [*install, *requirements])], check=True)
    return Environment(python, megabytes_of(folder))


def megabytes_of(folder: Path) -> float:
    """Return the size of a folder's files."""
    return sum(file.lstat().st_size for file in folder.rglob("*")) / 1e6


def environments(folder: Path) -> tuple[Environment, Environment, Environment]:
    """Make the environments of the stock `ner`, of our pipeline and of an exported one."""
    build = [sys.executable, "-m", "build", "--outdir", folder / "wheel", ROOT]
    subprocess.run([*map(str, build)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (folder / "wheel").glob("*.whl")
    runtime = ("--no-deps", "--requirement", ROOT / "requirements-runtime.txt", wheel)
    return (
        environment(folder / "stock", *PINNED, "spacy"),
        environment(folder / "torch", *PINNED, wheel),
        environment(folder / "runtime", *runtime),
    )


def text_with_entities(pipelines: Iterable[Path], dataset: str) -> str:
    """Return the first short text of the test part in which all pipelines find an entity."""
    loaded = [spacy.load(path) for path in pipelines]
    for doc in docs_of(CORPUS / dataset / "test"):
        if len(doc) <= MOST_WORDS and all(nlp(doc.text).ents for nlp in loaded):
            return doc.text
    raise SystemExit("There is no text in which all pipelines find an entity.")


def first_text(system: System, text: str) -> dict[str, float]:
    """Start a process that reads one text.

    Returns:
        Seconds from its start until it has read the text, seconds of the processor, and memory.

    Raises:
        SystemExit: If it fails.
    """
    command_of = (*ALONE, "-c", FIRST_TEXT, system.pipeline, text)
    start = time.perf_counter()
    with start_python(
        *command_of,
        interpreter=system.environment.python,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{system.pipeline} could not be run: see above.")
    return {"seconds": seconds, **json.loads(line)}


def measure(systems: dict[str, System], text: str, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each system. Ratios are within a round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for number in range(-1, rounds):
        for name, system in systems.items():
            one = first_text(system, text)
            if number >= 0:
                found[name].append(one)

    def all_of(name: str, key: str) -> list[float]:
        return [one[key] for one in found[name]]

    rows = []
    for name, system in systems.items():
        row: dict[str, Any] = {"system": name}
        for key in ("seconds", "processor_seconds"):
            row[key] = timing.spread(all_of(name, key))
            row[f"{key}_of_ours"] = timing.ratio(all_of(name, key), all_of(OURS, key))
        row["memory_mb"] = timing.spread(all_of(name, "memory_mb"))
        row["environment_mb"] = round(system.environment.megabytes, 1)
        row["pipeline_mb"] = round(megabytes_of(system.pipeline), 1)
        rows.append(row)
        print(row, flush=True)
    return rows


def main(
    pipeline: command.Pipeline,
    dataset: command.Dataset = "four-domains",
    rounds: command.Rounds = 11,
) -> None:
    """Measure all systems in turns."""
    data = CORPUS / dataset
    with temporary_folder("footprint-") as folder:
        config = stock_config(folder / "stock.cfg", "efficiency")
        paths = {"train": data / "train", "dev": data / "dev"}
        steps = {"training.max_steps": STOCK_STEPS}
        of_stock = train(config, paths, 0, steps, folder / "stock-model").model
        of_stock_env, of_ours, lean = environments(folder / "environments")
        systems = {
            STOCK: System(of_stock, of_stock_env),
            OURS: System(pipeline.absolute(), of_ours),
            **{
                f"{OURS}, {EXPORTED[precision]}": System(path, lean)
                for precision, path in exported(pipeline, folder).items()
            },
        }
        text = text_with_entities([system.pipeline for system in systems.values()], dataset)
        rows = measure(systems, text, rounds)
    about = {"dataset": dataset, "text_words": len(text.split()), "rounds": rounds, "threads": 1}
    versions = machine("spacy", "thinc", "torch", "onnxruntime")
    write(results_of("speed") / "footprint.json", {**about, **versions, "rows": rows})


def table() -> str:
    """Make the table of time, memory and space on disk."""
    result = read("speed", "footprint")
    head = ["system", "start, s", "start, of ours", "processor time, of ours"]
    rows = [[*head, "memory, MB", "environment, MB"]]
    for row in result["rows"]:
        shares = [
            "" if row["system"] == OURS else tables.times(row[f"{key}_of_ours"], digits=2)
            for key in ("seconds", "processor_seconds")
        ]
        sizes = [f"{row['memory_mb']['median']:,.0f}", f"{row['environment_mb']:,.0f}"]
        rows.append([row["system"], f"{row['seconds']['median']:.2f}", *shares, *sizes])
    pipelines = ", ".join(f"{row['system']} {row['pipeline_mb']:.1f} MB" for row in result["rows"])
    return tables.markdown(*rows) + tables.measured(
        [result], f"{result['rounds']} rounds. Pipelines on disk: {pipelines}."
    )


TABLES = {"footprint": table}

if __name__ == "__main__":
    command.run(main)
