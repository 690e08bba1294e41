"""What the benchmarks that train have in common: trainings, scores, files of results.

A file of results is JSON: what was run, what is to be said of all the runs, and the runs one by
one. Several processes may add runs to one file.
"""

import fcntl
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import (
    Any,
    NamedTuple,
)

import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from benchmarks.speed.timing import machine

ROOT = Path(__file__).parent.parent

VECTORS = ROOT / "training" / "vectors" / "glove-6b-100d-20k"  # project run vectors

Run = dict[str, Any]


class Training(NamedTuple):
    """What a training came to."""

    model: Path  # the best on the development part
    evaluations: list[dict[str, Any]]  # the log's entries that have a score, in order
    cpu_seconds: float


def spacy_command(*arguments: str | Path) -> None:
    """Run a command of spaCy's command line, with one thread."""
    command = [sys.executable, "-m", "spacy", *map(str, arguments)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=one_thread)


def stock_config(path: Path, optimize: str, lang: str = "en") -> Path:
    """Write the stock `ner` as spaCy's own efficiency or accuracy config has it."""
    spacy_command(
        *("init", "config", path, "--lang", lang, "--pipeline", "ner", "--optimize", optimize)
    )
    return path


def length(steps: int) -> dict[str, int]:
    """Overrides for so many steps, with the twenty evaluations of the shipped config."""
    return {
        "training.max_steps": steps,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.eval_frequency": max(1, steps // 20),
    }


def docs_of(folder: Path) -> list[Doc]:
    """All docs of a part of the data."""
    vocab = spacy.blank("en").vocab
    files = sorted(folder.glob("*.spacy"))
    return [doc for file in files for doc in DocBin().from_disk(file).get_docs(vocab)]


def config_path(name: str | None, folder: Path) -> Path:
    """A shipped config, or without a name the stock accuracy config, written to the folder."""
    if name is not None:
        return ROOT / "configs" / f"{name}.cfg"
    path = folder / "stock.cfg"
    return path if path.exists() else stock_config(path, "accuracy")


def train(
    config: Path,
    paths: Mapping[str, str | Path],
    seed: int,
    overrides: Mapping[str, Any],
    out: Path,
) -> Training:
    """Train one model, with one thread; what it prints goes to OUT.log, its log to OUT.jsonl.

    Args:
        config: The config, in which nothing is changed but what follows.
        paths: Of its section `paths`: `train`, `dev` and what else there is.
        seed: Of the training.
        overrides: Other settings, by their dotted names.
        out: Folder for the models.

    Raises:
        SystemExit: The training failed. Says what it printed last.
    """
    log, printed = out.with_suffix(".jsonl"), out.with_suffix(".log")
    settings = {
        **{f"paths.{name}": path for name, path in paths.items()},
        "system.seed": seed,
        "training.logger.@loggers": "spacy.ConsoleLogger.v3",
        "training.logger.progress_bar": "null",
        "training.logger.output_file": log,
        **overrides,
    }
    options = [
        f"--{setting}={value if isinstance(value, (str, Path)) else json.dumps(value)}"
        for setting, value in settings.items()
    ]
    command = [sys.executable, "-m", "spacy", "train", str(config), "--output", str(out), *options]
    with printed.open("w") as stdout:
        process = subprocess.Popen(
            command,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        _, status, usage = os.wait4(process.pid, 0)  # which tells the processor time
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(printed.read_text()[-2000:])
    entries = map(json.loads, log.read_text().splitlines())
    evaluations = [entry for entry in entries if entry.get("score") is not None]
    return Training(out / "model-best", evaluations, usage.ru_utime + usage.ru_stime)


def scored(
    model: Path, data: Path, *, threshold: float | None = None, batch_size: int = 64
) -> dict[str, float]:
    """Precision, recall and F of a model on each part of the data, in percent.

    Args:
        model: Its folder.
        data: A folder with the parts `dev` and `test`.
        threshold: Takes the place of the threshold that it was trained with.
        batch_size: Docs at a time.
    """
    nlp = spacy.load(model)
    if threshold is not None:
        ner: Any = nlp.get_pipe("ner")
        ner.threshold = threshold
    found = {}
    for part in ("dev", "test"):
        scores = nlp.evaluate(list(Corpus(data / part)(nlp)), batch_size=batch_size)
        for key in ("ents_p", "ents_r", "ents_f"):
            found[f"{part}_{key[-1]}"] = 100 * scores[key]
    return found


def summary(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation of the sample."""
    return {
        "mean": statistics.mean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
    }


def summaries_of(runs: list[Run], cell: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    """Mean and standard deviation of scores over the seeds, for each cell of a table.

    Args:
        runs: The runs.
        cell: Names of what tells one cell from another.
        scores: Names of the scores.
    """
    cells: dict[tuple, list[Run]] = {}
    for each in runs:
        cells.setdefault(tuple(each[name] for name in cell), []).append(each)
    return {
        "summary": [
            {
                **{**dict(zip(cell, key)), "n_seeds": len(of_cell)},
                **{name: summary([each[name] for each in of_cell]) for name in scores},
            }
            for key, of_cell in sorted(cells.items())
        ]
    }


def processor() -> str:
    """What trainings run on, for a result to say."""
    return str(machine()["processor"])


class Results:
    """A file of results, to which several threads and processes may add runs.

    Args:
        path: The JSON file.
        settings: What was run. Stands first in the file; runs of other settings are not kept.
        key: Names of what tells one run from another.
        summarised: Makes of all the runs what is to be said of them.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        key: list[str],
        summarised: Callable[[list[Run]], Mapping[str, Any]] = lambda runs: {},
    ) -> None:
        self.path, self.settings, self.key, self.summarised = path, settings, key, summarised

    def runs(self) -> list[Run]:
        """The runs that are there, if they were made with these settings."""
        found = self._read()
        return found["runs"] if self._fits(found) else []

    def starts_over(self) -> bool:
        """Whether the runs that are there are from other settings, and go when one is added."""
        return not self._fits(self._read())

    def has(self, *key: Any) -> bool:
        """Whether a run is there."""
        return key in map(self._key_of, self.runs())

    def add(self, run: Run) -> dict[str, Any]:
        """Add a run to those that are there by now, and write them in the order of their keys.

        If the same run is there, that one stays. Returns all that the file says now.
        """
        self.path.parent.mkdir(exist_ok=True)
        with _alone(self.path):
            by_key = {self._key_of(each): each for each in [run, *self.runs()]}
            runs = [by_key[key] for key in sorted(by_key)]
            result = {**self.settings, **self.summarised(runs), "runs": runs}
            # Whoever reads sees the file before or after, never a part of it
            unfinished = self.path.with_name(f"{self.path.name}.tmp")
            unfinished.write_text(json.dumps(result, indent=1) + "\n")
            os.replace(unfinished, self.path)
        return result

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {**self.settings, "runs": []}
        return json.loads(self.path.read_text())

    def _fits(self, found: dict[str, Any]) -> bool:
        return {name: found.get(name) for name in self.settings} == self.settings

    def _key_of(self, run: Run) -> Any:
        return tuple(run[name] for name in self.key)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other threads and processes that do the same from the file. Waits for them."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        yield
