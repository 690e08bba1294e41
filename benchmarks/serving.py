"""Latency and requests a second of the service, and the growth of its memory.

    apt-get install wrk
    python -m benchmarks.serving PIPELINE [--dataset four-domains] [--seconds 10] [--rounds 3]

PIPELINE is ours, trained on the data set. Each request has one sentence of its test part. The
services run, one at a time, in turns: ours as `serve` starts it, ours without the queue
(`--batch-size 1`: the same app, one request at a time), ours exported with float32 and with int8,
and spaCy's own `ner` in the same app. All run where torch is installed. The stock pipeline is
trained here, by spaCy's efficiency config. wrk sends the next request of a client when the last is
answered. The service has one torch thread and one process; wrk has another core.

Memory is that of the service's process, for ours and for ours exported with int8, after 1,000
requests and after 100,000 more, each with a word that no other has. Results go to
benchmarks/serving/results/serving.json.
"""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.harness import command, tables, timing
from benchmarks.harness.exporting import EXPORTED, exported
from benchmarks.harness.paths import BENCHMARKS, CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import start_python
from benchmarks.harness.results import machine, read, write
from benchmarks.harness.training import docs_of, stock_config, train

SCRIPT = BENCHMARKS / "serving" / "texts.lua"
CLIENTS = (1, 8, 64)
FIRST, MORE = 1000, 100_000  # requests
STOCK_STEPS = 1000


class System(NamedTuple):
    """A service: its name, its pipeline, and options of `serve`."""

    name: str
    pipeline: Path
    options: Sequence[str] = ()


class Running(NamedTuple):
    """A service that runs: its process and its address."""

    process: subprocess.Popen
    url: str


@contextmanager
def service(system: System) -> Iterator[Running]:
    """Run a service in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = start_python(
        *("-m", "spacy", "bilstm-crf", "serve", system.pipeline, "--port", port, *system.options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_up(url):
            if served.poll() is not None:
                raise SystemExit(f"The service of {system.pipeline} has ended.")
            time.sleep(0.1)
        yield Running(served, url)
    finally:
        served.terminate()
        served.wait()


def is_up(url: str) -> bool:
    """Whether a service answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def load(url: str, texts: Path, clients: int, seconds: float, *more: str) -> dict[str, float]:
    """Send requests for some time.

    Returns:
        Latency in milliseconds, and requests.

    Raises:
        SystemExit: If a request fails.
    """
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "60s", "-s", SCRIPT]
    command += [f"{url}/annotate", "--", texts, *more]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["failed"]:
        raise SystemExit(f"{found['failed']} requests failed.")
    return {
        "p50": found["p50"] / 1000,
        "p99": found["p99"] / 1000,
        "requests_a_second": found["requests"] / (found["microseconds"] / 1e6),
        "requests": found["requests"],
    }


def measure(
    systems: Sequence[System], texts: Path, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Return a row for each number of clients and system. Ratios are within a round."""
    found: dict[Any, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for system in systems:
            with service(system) as running:
                load(running.url, texts, 8, 2)  # with what is set up at the first requests
                for clients in CLIENTS:
                    done = load(running.url, texts, clients, seconds)
                    found.setdefault((clients, system.name), []).append(done)
                    print(system.name, clients, done, flush=True)
    rows = []
    for (clients, name), runs in sorted(found.items(), key=lambda item: item[0][0]):
        rates = [run["requests_a_second"] for run in runs]
        ours = [run["requests_a_second"] for run in found[clients, systems[0].name]]
        rows.append(
            {
                "clients": clients,
                "system": name,
                **{key: timing.spread([run[key] for run in runs]) for key in ("p50", "p99")},
                "requests_a_second": timing.spread(rates),
                "ours_is_times_as_fast": timing.ratio(ours, rates),
            }
        )
    return rows


def memory(system: System, texts: Path) -> dict[str, float]:
    """Return the megabytes of the service after the first requests and after many more."""
    import psutil

    with service(system) as running:
        process = psutil.Process(running.process.pid)

        def after(n: int) -> float:
            left = float(n)
            while left > 0:
                left -= load(running.url, texts, 64, 10, "different")["requests"]
            return process.memory_info().rss / 1e6

        return {"first": after(FIRST), "more": after(MORE), "requests": MORE}


def write_texts(dataset: str, path: Path) -> int:
    """Write the sentences of the test part, and return their mean number of words."""
    docs = docs_of(CORPUS / dataset / "test")
    sentences = [
        sentence
        for doc in docs
        for sentence in (doc.sents if doc.has_annotation("SENT_START") else [doc[:]])
    ]
    lines = (json.dumps(sentence.text.strip()) for sentence in sentences)
    path.write_text("".join(f"{line}\n" for line in lines))
    return round(sum(map(len, sentences)) / len(sentences))


def main(
    pipeline: command.Pipeline,
    dataset: command.Dataset = "four-domains",
    seconds: Annotated[float, typer.Option(help="Seconds of each load")] = 10,
    rounds: command.Rounds = 3,
) -> None:
    """Measure the services in turns, then the memory of ours."""
    data = CORPUS / dataset
    with temporary_folder("serving-") as folder:
        config = stock_config(folder / "stock.cfg", "efficiency")
        paths = {"train": data / "train", "dev": data / "dev"}
        steps = {"training.max_steps": STOCK_STEPS}
        stock = train(config, paths, 0, steps, folder / "stock").model
        texts = folder / "texts"
        n_words = write_texts(dataset, texts)
        lean = {
            precision: System(f"ours, {EXPORTED[precision]}", path)
            for precision, path in exported(pipeline, folder).items()
        }
        systems = (
            System("ours", pipeline),
            System("ours, without the queue", pipeline, ("--batch-size", "1")),
            *lean.values(),
            System("stock `ner`", stock),
        )
        result = {
            **machine("spacy", "torch", "onnxruntime", "fastapi", "uvicorn", "spacy-bilstm-crf"),
            "threads": 1,
            "dataset": dataset,
            "words_a_text": n_words,
            "rounds": rounds,
            "seconds": seconds,
            "rows": measure(systems, texts, seconds, rounds),
            "memory_mb": {each.name: memory(each, texts) for each in (systems[0], lean["int8"])},
        }
    write(results_of("serving") / "serving.json", result)


def table() -> str:
    """Make the table of latency and requests a second, by the number of clients."""
    result = read("serving", "serving")
    rows = [["clients", "service", "p50, ms", "p99, ms", "requests a second", "ours is"]]
    for row in result["rows"]:
        numbers = [f"{row[key]['median']:.1f}" for key in ("p50", "p99")]
        numbers.append(f"{row['requests_a_second']['median']:,.0f}")
        against = "" if row["system"] == "ours" else tables.times(row["ours_is_times_as_fast"])
        rows.append([f"{row['clients']}", row["system"], *numbers, against])
    grown = (
        f"{name} {of_one['first']:,.0f} MB after the first requests, "
        f"{of_one['more'] - of_one['first']:+,.0f} MB after {of_one['requests']:,} more"
        for name, of_one in result["memory_mb"].items()
    )
    return tables.markdown(*rows) + tables.measured(
        [result],
        f"{result['rounds']} rounds of {result['seconds']:g} seconds each.",
        f"A text has {result['words_a_text']} words.",
        f"Memory: {'; '.join(grown)}.",
    )


TABLES = {"serving": table}

if __name__ == "__main__":
    command.run(main)
