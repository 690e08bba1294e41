"""What a search leaves in its folder: the trials, the best config and its model."""

import io
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from thinc.api import Config

from ...common.config_names import config_text
from ...common.errors import UserError
from ...common.files import save_folder, write_whole
from ...common.pages import as_frame
from ...common.pipelines import load_pipeline
from ...training.loop import best_model, train_pipeline
from .study import finished_trials, outcome_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

BEST_CONFIG, BEST_MODEL = "best.cfg", "model-best"
TRIALS, SEARCH_PAGE = "trials.jsonl", "index.html"
MADE_FROM = "tune.json"  # in the model's folder: the trial whose config it was trained with
OF_OUTCOME = ("seconds", "reason", "best_step", "scores_of_seeds", "details")
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
SAME_SCORE = 1e-6  # a training on other hardware may differ by that much


class TrialResult(NamedTuple):
    """A finished trial."""

    number: int
    state: str  # complete, pruned or failed
    value: float | None  # of a complete one
    params: dict[str, Any]
    seconds: float | None
    reason: str | None  # of a failed one
    best_step: int | None
    scores_of_seeds: list[float] | None
    details: dict[str, Any] | None  # the first seed's scores that its score is made of
    evaluations: dict[int, float]  # of the first seed, by step
    started: str | None
    ended: str | None

    @property
    def score(self) -> str:
        """The value in percent, or the state of a trial that has none."""
        return self.state if self.value is None else f"{100 * self.value:.2f}"

    def summary(self, given: Mapping[str, Any]) -> str:
        """Return the parameters that differ from the given ones, and why the trial failed."""
        rest = [
            f"{name} {short(value)}"
            for name, value in self.params.items()
            if name not in given or given[name] != value
        ]
        text = ", ".join(rest) or "as the config"
        return f"{text}: {self.reason}" if self.reason else text


def short(value: Any) -> str:
    """Return a parameter's value as text, with three digits of a real number."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class SearchResult(NamedTuple):
    """The results of a search. Notebooks display its page."""

    output: Path  # with best.cfg, model-best, trials.jsonl and index.html
    best: TrialResult
    trials: list[TrialResult]

    def _repr_html_(self) -> str:
        return as_frame((self.output / SEARCH_PAGE).read_text(encoding="utf8"))


def results_of(study: "Study") -> list[TrialResult]:
    """Return the finished trials of a study, in their order."""
    return [_result(trial) for trial in finished_trials(study)]


def _result(trial: "FrozenTrial") -> TrialResult:
    outcome, state = outcome_of(trial), STATES[trial.state.name]
    start, end = trial.datetime_start, trial.datetime_complete
    return TrialResult(
        number=trial.number,
        state=state,
        value=trial.value if state == "complete" else None,
        params=dict(trial.params),
        **{key: outcome.get(key) for key in OF_OUTCOME},
        evaluations=dict(sorted(trial.intermediate_values.items())),
        started=start.isoformat() if start else None,
        ended=end.isoformat() if end else None,
    )


def best_of(results: Sequence[TrialResult]) -> TrialResult | None:
    """Return the complete trial with the highest value, or None. The first of equal ones."""
    complete = [result for result in results if result.value is not None]
    return max(complete, key=lambda result: (result.value, -result.number), default=None)


def write_trials(output: Path, results: Sequence[TrialResult]) -> TrialResult:
    """Write a line of JSON for each finished trial.

    Returns:
        The best trial.

    Raises:
        UserError: If no trial is complete. Says why the first one failed.
    """
    write_whole(output / TRIALS, "".join(json.dumps(each._asdict()) + "\n" for each in results))
    best = best_of(results)
    if not results:
        raise UserError("No trial was run before the time was up. Set a longer --timeout.")
    if best is None:
        reason = next((result.reason for result in results if result.reason), None)
        why = f" The first one to fail: {reason}" if reason else ""
        raise UserError(f"None of {len(results)} trials was completed.{why}")
    return best


def train_best(
    output: Path, config: Config, best: TrialResult, use_gpu: int, say: Callable[[str], None]
) -> None:
    """Write the complete config of the best trial, and train it unless that was done before.

    Trials save no models: each would have to, and the best one may be another machine's. `say` is
    called with each line that spaCy prints, and with a note if the score is not the same.
    """
    head = f"# Trial {best.number} of a search: {best.score} on dev\n"
    write_whole(output / BEST_CONFIG, head + config_text(config))
    target, made_from = output / BEST_MODEL, {"trial": best.number, "value": best.value}
    if _is_trained(target, made_from):
        return
    say(f"Training trial {best.number} again, for {BEST_MODEL}.")
    with TemporaryDirectory(dir=output, prefix=".training-") as temporary:
        with redirect_stdout(_Lines(say, without=temporary)):
            train_pipeline(config, Path(temporary), use_gpu=use_gpu)
        new = best_model(Path(temporary))
        (new / MADE_FROM).write_text(json.dumps(made_from) + "\n", encoding="utf8")
        save_folder(partial(shutil.move, new), target)
    scores = json.loads((target / "meta.json").read_text(encoding="utf8"))["performance"]
    weights = config.interpolate()["training"]["score_weights"].items()
    found = sum(weight * (scores.get(name) or 0.0) for name, weight in weights if weight)
    expected = (best.scores_of_seeds or [0.0])[0]
    if abs(found - expected) > SAME_SCORE:
        say(
            f"It scores {100 * found:.2f}, but scored {100 * expected:.2f} in the search: the "
            f"hardware, the number of threads or the data may differ. A search with --seeds 3 "
            f"depends less on it."
        )


def _is_trained(target: Path, made_from: Mapping[str, Any]) -> bool:
    """Tell whether a folder has the pipeline of a trial, and it can be loaded."""
    try:
        note = json.loads((target / MADE_FROM).read_text(encoding="utf8"))
        if note == made_from:
            load_pipeline(target)
        return bool(note == made_from)
    except (OSError, ValueError):
        return False


class _Lines(io.TextIOBase):
    """Standard output that hands on each line, but those that name a folder which will be gone."""

    def __init__(self, say: Callable[[str], None], without: str) -> None:
        self._say, self._without, self._begun, self._real = say, without, "", sys.stdout

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        with redirect_stdout(self._real):
            for line in lines:
                if self._without not in line:
                    self._say(line)
        return len(text)
