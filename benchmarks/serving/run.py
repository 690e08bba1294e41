"""Latency and requests a second of the service, and what it keeps of memory.

    apt-get install wrk
    python -m benchmarks.serving.run PIPELINE [--dataset four-domains] [--seconds 10] [--rounds 3]

PIPELINE is ours, trained on the data set. Each request has one sentence of its test part. Three
services run, one at a time, in turns: ours as `serve` starts it, ours without the queue
(`--batch-size 1`: the same app, one request at a time), and spaCy's own `ner` in the same app. The
stock pipeline is trained here, by spaCy's efficiency config. wrk sends the next request of a client
when the last is answered. The service has one torch thread and one process; wrk has another core.

Memory is that of the service's process after 1,000 requests and after 100,000 more, each with a
word that no other has. Results go to benchmarks/serving/results/serving.json.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT, docs_of, stock_config, train

RESULTS = Path(__file__).parent / "results"
SCRIPT = Path(__file__).parent / "texts.lua"
CLIENTS = (1, 8, 64)
FIRST, MORE = 1000, 100_000
STOCK_STEPS = 1000


class System(NamedTuple):
    """A service: what it is called, its pipeline, and options of `serve`."""

    name: str
    pipeline: Path
    options: Sequence[str] = ()


@contextmanager
def service(system: System) -> Iterator[dict[str, Any]]:
    """A service in a process of its own: its process and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "spacy", "bilstm-crf", "serve", str(system.pipeline)]
    served = subprocess.Popen(
        [*command, "--port", str(port), *system.options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_up(url):
            if served.poll() is not None:
                raise SystemExit(f"The service has ended: {' '.join(command)}")
            time.sleep(0.1)
        yield {"process": served, "url": url}
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
    """Send requests for some time. Raises SystemExit where one of them failed."""
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


def in_turns(
    systems: Sequence[System], texts: Path, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """A row for each number of clients and system, milliseconds; ratios are within a round."""
    found: dict[Any, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for system in systems:
            with service(system) as running:
                load(running["url"], texts, 8, 2)  # with whatever is made at the first requests
                for clients in CLIENTS:
                    done = load(running["url"], texts, clients, seconds)
                    found.setdefault((clients, system.name), []).append(done)
                    print(system.name, clients, done, flush=True)
    rows = []
    for clients in CLIENTS:
        ours = found[clients, systems[0].name]
        for system in systems:
            runs = found[clients, system.name]
            rates = [run["requests_a_second"] for run in runs]
            row: dict[str, Any] = {"clients": clients, "system": system.name}
            row.update({key: spread([run[key] for run in runs]) for key in ("p50", "p99")})
            row["requests_a_second"] = spread(rates)
            row["ours_is_times_as_fast"] = spread(
                [own["requests_a_second"] / rate for own, rate in zip(ours, rates)]
            )
            rows.append(row)
    return rows


def memory(system: System, texts: Path) -> dict[str, float]:
    """Megabytes of the service after the first requests and after many more."""
    with service(system) as running:
        process = psutil.Process(running["process"].pid)

        def after(n: int) -> float:
            left = float(n)
            while left > 0:
                left -= load(running["url"], texts, 64, 10, "different")["requests"]
            return process.memory_info().rss / 1e6

        return {"first": after(FIRST), "more": after(MORE), "requests": MORE}


def write_texts(dataset: str, path: Path) -> int:
    """Write the sentences of the test part; returns their number of words."""
    docs = docs_of(ROOT / "corpus" / dataset / "test")
    sentences = [
        sentence
        for doc in docs
        for sentence in (doc.sents if doc.has_annotation("SENT_START") else [doc[:]])
    ]
    lines = (json.dumps(sentence.text.strip()) for sentence in sentences)
    path.write_text("".join(f"{line}\n" for line in lines))
    return round(sum(map(len, sentences)) / len(sentences))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--dataset", default="four-domains")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    data = ROOT / "corpus" / given.dataset
    with tempfile.TemporaryDirectory(prefix="serving-") as temporary:
        folder = Path(temporary)
        config = stock_config(folder / "stock.cfg", "efficiency")
        paths = {"train": data / "train", "dev": data / "dev"}
        steps = {"training.max_steps": STOCK_STEPS}
        stock = train(config, paths, 0, steps, folder / "stock").model
        texts = folder / "texts"
        n_words = write_texts(given.dataset, texts)
        systems = (
            System("ours", given.pipeline),
            System("ours, without the queue", given.pipeline, ("--batch-size", "1")),
            System("stock `ner`", stock),
        )
        result = {
            **machine("spacy", "torch", "fastapi", "uvicorn", "spacy-bilstm-crf"),
            "threads": 1,
            "dataset": given.dataset,
            "words_a_text": n_words,
            "rounds": given.rounds,
            "seconds": given.seconds,
            "rows": in_turns(systems, texts, given.seconds, given.rounds),
            "memory_mb": memory(systems[0], texts),
        }
    write("serving", result, RESULTS)
    print(result["memory_mb"])


if __name__ == "__main__":
    main()
