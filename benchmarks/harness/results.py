"""JSON files of results, to which several processes may add runs.

A file says what was run, what follows from all runs, and what each run found.
"""

import json
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from spacy_bilstm_crf.common.files import write_whole

from .paths import BENCHMARKS

Run = dict[str, Any]


def read(study: str, name: str) -> dict[str, Any]:
    """Read a result of a study from the repository."""
    return _read(BENCHMARKS / study / "results" / f"{name}.json")


def read_all(study: str, pattern: str = "*.json") -> list[dict[str, Any]]:
    """Read the results of a study from the repository, in the order of their names."""
    paths = (BENCHMARKS / study / "results").glob(pattern)
    # By the stem, so that a row comes before what was made of it
    return [_read(path) for path in sorted(paths, key=lambda path: path.stem)]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf8"))


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result, and make its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(result, indent=1) + "\n")


@cache
def processor() -> str:
    """Return the name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def machine(*packages: str) -> dict[str, Any]:
    """Return what figures were measured on: processor, Python and versions of packages."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "versions": versions,
    }


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the mean and the sample standard deviation."""
    return {
        "mean": statistics.mean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
    }


def grouped(runs: Iterable[Run], *names: str) -> dict[tuple[Any, ...], list[Run]]:
    """Group runs by what they have under some names."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run[name] for name in names), []).append(run)
    return groups


def summaries_of(runs: list[Run], cell: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    """Summarise scores over the seeds, for each cell of a table.

    Args:
        runs: The runs.
        cell: Names of what tells one cell from another.
        scores: Names of the scores.
    """
    return {
        "summary": [
            {
                **dict(zip(cell, key)),
                "n_seeds": len(of_cell),
                **{name: summary([run[name] for run in of_cell]) for name in scores},
            }
            for key, of_cell in sorted(grouped(runs, *cell).items())
        ]
    }


class Results:
    """A file of results, to which several threads and processes may add runs.

    Args:
        path: The JSON file.
        settings: What was run. Stands first in the file; runs of other settings are not kept.
        key: Names of what tells one run from another.
        summarised: Returns what follows from all runs.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        key: Sequence[str],
        summarised: Callable[[list[Run]], Mapping[str, Any]] = lambda runs: {},
    ) -> None:
        self.path, self.settings, self.key, self.summarised = path, settings, key, summarised

    def runs(self) -> list[Run]:
        """Return the runs of the file, if they were made with these settings."""
        found = self._read()
        return found["runs"] if self._fits(found) else []

    def starts_over(self) -> bool:
        """Whether the file's runs are of other settings, and are lost when one is added."""
        return not self._fits(self._read())

    def has(self, *key: Any) -> bool:
        """Whether the file has a run."""
        return key in map(self._key_of, self.runs())

    def add(self, run: Run) -> dict[str, Any]:
        """Add a run to those that the file has by now, in the order of their keys.

        If the file has that run already, it keeps its own.

        Returns:
            The content of the file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path):
            by_key = {self._key_of(each): each for each in [run, *self.runs()]}
            runs = [by_key[key] for key in sorted(by_key)]
            result = {**self.settings, **self.summarised(runs), "runs": runs}
            write(self.path, result)
        return result

    def record(self, key: Sequence[Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """Add and print a run of this machine: its key, the processor, and what it found."""
        run = {**dict(zip(self.key, key)), "processor": processor(), **found}
        print(self.path.stem, {name: run[name] for name in run if _is_short(run[name])}, flush=True)
        return self.add(run)

    def fill(
        self,
        keys: Iterable[Sequence[Any]],
        run: Callable[..., Mapping[str, Any]],
        jobs: int = 1,
    ) -> None:
        """Make the runs that the file lacks, and record each as soon as it is done.

        Args:
            keys: The keys of the runs.
            run: Makes a run, given the parts of its key, and returns what it found.
            jobs: Number of runs at a time.

        Raises:
            SystemExit: If there are no keys: the study has no run of these options.
        """
        keys = list(keys)
        if not keys:
            raise SystemExit(f"The study of {self.path.name} has no run of these options.")
        if self.starts_over():
            print(f"{self.path} has runs of other settings: starting over.")
        missing = [key for key in keys if not self.has(*key)]
        with ThreadPoolExecutor(jobs) as pool:
            # Recorded in the thread, so that a run that fails does not take others with it
            list(pool.map(lambda key: self.record(key, run(*key)), missing))

    def _read(self) -> dict[str, Any]:
        return _read(self.path) if self.path.exists() else {**self.settings, "runs": []}

    def _fits(self, found: dict[str, Any]) -> bool:
        return {name: found.get(name) for name in self.settings} == self.settings

    def _key_of(self, run: Run) -> tuple[Any, ...]:
        return tuple(run[name] for name in self.key)


def _is_short(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _locked(path: Path) -> FileLock:
    """Keep other threads and processes that do the same from a file. Waits for them."""
    return FileLock(path.with_name(f"{path.name}.lock"))
