"""Parts of the tables that studies make of their results."""

from collections.abc import Iterable, Sequence
from typing import Any

UNRECORDED = "†"
MANY_SEEDS = 3  # as the text beside the tables has it


def markdown(*rows: Sequence[str]) -> str:
    """Return a table. The first row is its head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def measured(results: Iterable[dict[str, Any]], *more: str) -> str:
    """Return the line below a table, which says what its results were measured on.

    The processor is that of a result, or of each of its runs. Studies that don't record the number
    of threads have one for each training.

    Args:
        results: The results, or runs.
        more: What else to say.
    """
    results = list(results)
    processors = sorted({run["processor"] for run in _runs_of(results) if "processor" in run})
    where = [", ".join(processors)] if processors else []
    if unrecorded(results):
        where.append(f"not recorded for some or all runs of a row with {UNRECORDED}")
    threads = sorted({str(result.get("threads", 1)) for result in results})
    return note(f"Processor: {'; '.join(where)}.", f"Torch threads: {', '.join(threads)}.", *more)


def unrecorded(results: Iterable[dict[str, Any]]) -> str:
    """Return a mark for a row if the processor of any of its results, or runs, is not recorded."""
    is_known = all("processor" in run for run in _runs_of(results))
    return "" if is_known else f" {UNRECORDED}"


def _runs_of(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for result in results for run in result.get("runs", [result])]


def note(*sentences: str) -> str:
    """Return a line below a table."""
    return f"\n\n*{' '.join(sentences)}*"


def mean(found: dict[str, float], n_runs: int, digits: int = 1) -> str:
    """Write a mean with its standard deviation, which a single run has not."""
    deviation = f" ± {found['sd']:.{digits}f}" if n_runs > 1 else ""
    return f"{found['mean']:,.{digits}f}{deviation}"


def with_seeds(found: dict[str, float], n_runs: int, digits: int = 1) -> str:
    """Write a mean with its standard deviation, and the number of seeds if there are one or two."""
    seeds = f" ({n_runs} seed{'s' * (n_runs > 1)})" if n_runs < MANY_SEEDS else ""
    return mean(found, n_runs, digits) + seeds


def times(spread: dict[str, float], digits: int = 1) -> str:
    """Write how many times as fast something is, with the spread of several rounds."""
    digits = digits if spread["median"] < 20 else 0
    numbers = [f"{spread[key]:,.{digits}f}" for key in ("median", "min", "max")]
    if spread["min"] == spread["max"]:
        return f"{numbers[0]} x (1 round)"
    return f"{numbers[0]} x ({numbers[1]} to {numbers[2]})"


def summarised(results: Iterable[dict[str, Any]], *columns: str) -> list[list[str]]:
    """Return rows of results' summaries: data, columns, number of seeds, dev F and test F."""
    return [
        [
            result["dataset"],
            *(str(row[column]) for column in columns),
            str(row["n_seeds"]),
            *(mean(row[part], row["n_seeds"]) for part in ("dev_f", "test_f")),
        ]
        for result in results
        for row in result["summary"]
    ]
