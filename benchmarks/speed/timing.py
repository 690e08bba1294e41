"""Timing of peers side by side: what is compared runs in turns, block by block."""

import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
# A block of calls takes about this long, so that the clock and a cold cache don't matter
BLOCK_SECONDS = 0.1


def in_turns(peers: dict[str, Callable[[], Any]], rounds: int = 11) -> dict[str, list[float]]:
    """Seconds a call of each peer, one for each round; a round runs a block of every peer.

    Slow peers run in the first rounds only: in three if a call takes as long as ten blocks, in
    one if it takes as long as a hundred.
    """
    calls, n_rounds = {}, {}
    for name, call in peers.items():
        first = _seconds(call, 1)  # with whatever is made at the first call
        once = _seconds(call, 1) if first < BLOCK_SECONDS else first
        calls[name] = max(1, round(BLOCK_SECONDS / once))
        blocks = once / BLOCK_SECONDS
        n_rounds[name] = rounds if blocks < 10 else 3 if blocks < 100 else 1
    found: dict[str, list[float]] = {name: [] for name in peers}
    for i in range(rounds):
        for name, call in peers.items():
            if i < n_rounds[name]:
                found[name].append(_seconds(call, calls[name]))
    return found


def _seconds(call: Callable[[], Any], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def compared(found: dict[str, list[float]], ours: str) -> dict[str, Any]:
    """Medians, and how many times as long each peer takes as ours, from round to round."""
    result: dict[str, Any] = {
        "seconds": {name: statistics.median(times) for name, times in found.items()},
        "times_as_long": {},
    }
    for name, times in found.items():
        if name != ours:
            result["times_as_long"][name] = spread([a / b for a, b in zip(times, found[ours])])
    return result


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine(*packages: str) -> dict[str, Any]:
    """What the figures were measured on."""
    names = [line for line in cpu_info() if line.startswith("model name")]
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "python": platform.python_version(),
        "versions": versions,
    }


def cpu_info() -> list[str]:
    """Lines of /proc/cpuinfo, none where there is no such file."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def write(name: str, result: dict[str, Any], folder: Path = RESULTS) -> None:
    """Keep a result in the repository."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Written to {path}")
