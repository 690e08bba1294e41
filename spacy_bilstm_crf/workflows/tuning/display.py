"""What the terminal shows of a search: a bar for all of it, a line for each trial."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from .results import Result, best_of

HEADER = f"{'trial':>5}  {'value':>8}  {'best':>8}  {'seconds':>8}  parameters that differ"


class Display:
    """A bar on stderr, a line on stdout for each trial that was finished since it was made.

    Args:
        n_trials: How many there shall be. None if nobody knows.
        done: The trials that are finished already.
        of_config: The parameters of the config as it is. A line has those that differ.
    """

    def __init__(
        self, n_trials: int | None, done: Sequence[Result], of_config: Mapping[str, Any]
    ) -> None:
        self._seen = {result.number for result in done}
        self._results: list[Result] = list(done)
        self._of_config = of_config
        # None disables it where nobody looks
        self._bar: Any = tqdm(
            total=n_trials, initial=len(done), unit="trial", disable=None, file=sys.stderr
        )
        self._write(HEADER)

    def show(self, results: Sequence[Result]) -> None:
        """Show what is new among the trials that are finished by now."""
        for result in results:
            if result.number not in self._seen:
                self._seen.add(result.number)
                self._results.append(result)
                self._write(self._line(result))
                self._bar.update(1)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def _write(self, line: str) -> None:
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()

    def _line(self, result: Result) -> str:
        best = best_of(self._results)
        value = result.state if result.value is None else f"{100 * result.value:.2f}"
        so_far = "" if best is None else f"{100 * (best.value or 0.0):.2f}"
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        rest = differing(result.params, self._of_config)
        if result.reason:
            rest = f"{rest}: {result.reason}"
        return f"{result.number:>5}  {value:>8}  {so_far:>8}  {seconds:>8}  {rest}"


def differing(params: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """The parameters that are not the same, as text."""
    found: dict[str, Any] = {
        name: value for name, value in params.items() if others.get(name, object()) != value
    }
    return ", ".join(f"{name} {written(value)}" for name, value in found.items()) or "as the config"


def written(value: Any) -> str:
    """A parameter's value, short."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


Show = Callable[[Sequence[Result]], None]
