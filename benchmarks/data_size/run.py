"""Train a system on parts of data sets, from 200 sentences up, and write what came out.

    python -m benchmarks.data_size.run SYSTEM [--datasets wnut17 ...] [--sizes 200 1000 0]
        [--seeds 0 1 2] [--jobs 2]

Size 0 is the whole. A seed draws the sentences of a part and starts the training, so that the
systems of one seed see the same sentences. The dev and test parts are always whole; the model is
the one that is best on dev. Without word vectors. One thread a training. Results go to
benchmarks/data_size/results/SYSTEM.json as they come; those that are there are not run again.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any, Callable, Dict, List, Optional, Union

import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus

ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "training" / "vectors" / "glove-6b-100d-20k"  # project run vectors
RESULTS = Path(__file__).parent / "results"
LANGUAGES = {"german-ler": "de"}
CELL = ("dataset", "size", "seed")
WRITING = Lock()
DATASETS = ("four-domains", "wnut17", "ncbi-disease", "sec-filings", "german-ler")


def write_part(dataset: str, size: int, seed: int, out: Path) -> int:
    """Write documents with `size` sentences in all, or all for 0; returns the number written."""
    nlp = spacy.blank(LANGUAGES.get(dataset, "en"))
    docs = [example.reference for example in Corpus(ROOT / "corpus" / dataset / "train")(nlp)]
    if size:
        random.Random(seed).shuffle(docs)
    kept = DocBin()
    n_sentences = 0
    for doc in docs:
        if size and n_sentences >= size:
            break
        kept.add(doc)
        n_sentences += len(list(doc.sents)) if doc.has_annotation("SENT_START") else 1
    kept.to_disk(out)
    return n_sentences


def stock_config(optimize: str, dataset: str, train: Path, out: Path) -> Dict[str, Any]:
    """The stock `ner` as spaCy's own efficiency or accuracy config has it."""
    options = ["--pipeline", "ner", "--optimize", optimize]
    spacy_command("init", "config", out, "--lang", LANGUAGES.get(dataset, "en"), *options)
    return {} if optimize == "efficiency" else {"paths.vectors": VECTORS}


def our_config(steps: Optional[int], dataset: str, train: Path, out: Path) -> Dict[str, Any]:
    """What `init-config` writes for the part, with its number of steps or another."""
    lang = LANGUAGES.get(dataset, "en")
    spacy_command("bilstm-crf", "init-config", out, "--train", train, "--lang", lang)
    if steps is None:
        return {}
    return {
        "training.max_steps": steps,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.eval_frequency": steps // 20,
    }


def spacy_command(*arguments: Union[str, Path]) -> None:
    """Run a command of spaCy's command line."""
    command = [sys.executable, "-m", "spacy", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


# Each writes a config and returns the overrides that go with it
SYSTEMS: Dict[str, Callable[[str, Path, Path], Dict[str, Any]]] = {
    "ner": partial(stock_config, "efficiency"),
    "ner-vectors": partial(stock_config, "accuracy"),
    "init-config": partial(our_config, None),
    "steps-21000": partial(our_config, 21000),
}


def spacy_train(config: Path, settings: Dict[str, Any], out: Path) -> float:
    """One training with one thread, its log in OUT.log; returns the seconds of processor time."""
    options = [
        f"--{setting}={value if isinstance(value, (str, Path)) else json.dumps(value)}"
        for setting, value in settings.items()
    ]
    command = [sys.executable, "-m", "spacy", "train", str(config), "--output", str(out), *options]
    process = subprocess.Popen(
        command,
        stdout=out.with_suffix(".log").open("w"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(out.with_suffix(".log").read_text()[-2000:])
    return usage.ru_utime + usage.ru_stime


def scored(model: Path, dataset: str) -> Dict[str, float]:
    """Precision, recall and F of a model on dev and test, in percent."""
    nlp = spacy.load(model)
    found = {}
    for part in ("dev", "test"):
        corpus = Corpus(ROOT / "corpus" / dataset / part)
        scores = nlp.evaluate(list(corpus(nlp)), batch_size=256)
        for key in ("ents_p", "ents_r", "ents_f"):
            found[f"{part}_{key[-1]}"] = 100 * scores[key]
    return found


def run(system: str, dataset: str, size: int, seed: int) -> Dict[str, Any]:
    """Train and score one system on one part of one data set."""
    with tempfile.TemporaryDirectory(prefix=f"{system}-{dataset}-{size}-") as temporary:
        folder = Path(temporary)
        n_sentences = write_part(dataset, size, seed, folder / "train.spacy")
        config = folder / "config.cfg"
        overrides = SYSTEMS[system](dataset, folder / "train.spacy", config)
        settings = {
            "paths.train": folder / "train.spacy",
            "paths.dev": ROOT / "corpus" / dataset / "dev",
            "system.seed": seed,
            "training.logger.@loggers": "spacy.ConsoleLogger.v3",
            "training.logger.progress_bar": "null",
            "training.logger.output_file": folder / "log.jsonl",
            **overrides,
        }
        seconds = spacy_train(config, settings, folder / "out")
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        scores = [entry for entry in log if entry.get("score") is not None]
        return {
            "dataset": dataset,
            "size": size,
            "seed": seed,
            "sentences": n_sentences,
            "cpu_seconds": round(seconds, 1),
            "steps": scores[-1]["step"],
            "best_step": max(scores, key=lambda entry: entry["score"])["step"],
            **scored(folder / "out" / "model-best", dataset),
        }


def load(path: Path) -> List[Dict[str, Any]]:
    """The runs that are there."""
    return json.loads(path.read_text())["runs"] if path.exists() else []


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 0, 200])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    path = RESULTS / f"{arguments.system}.json"

    def add(cell: Any) -> None:
        done = run(arguments.system, *cell)
        with WRITING:
            runs = sorted([*load(path), done], key=lambda run: [run[key] for key in CELL])
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"system": arguments.system, "runs": runs}, indent=1) + "\n")
        print(done, flush=True)

    there = {tuple(run[key] for key in CELL) for run in load(path)}
    cells = [
        (dataset, size, seed)
        for size, seed, dataset in product(arguments.sizes, arguments.seeds, arguments.datasets)
        if (dataset, size, seed) not in there and not (dataset == "four-domains" and size == 1000)
    ]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(add, cells))


if __name__ == "__main__":
    main()
