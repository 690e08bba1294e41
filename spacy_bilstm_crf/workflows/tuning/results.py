"""What a search leaves in its folder: the trials, the best config, its model, a page."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    NamedTuple,
    cast,
)

from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from ...common.errors import UserError
from .checks import filled
from .claims import finished
from .space import Space
from .storage import write_whole
from .trials import BEST_STEP, DETAILS, REASON, SCORES, SECONDS, with_seed

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

BEST_CONFIG, BEST_MODEL, TRIALS, PAGE = "best.cfg", "model-best", "trials.jsonl", "index.html"
MADE_FROM = "tune.json"  # in the model's folder: the trial whose config it was trained with


class Result(NamedTuple):
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


STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def results_of(trials: Sequence["FrozenTrial"]) -> list[Result]:
    """The finished trials of a study, in their order."""
    return [_result(trial) for trial in finished(trials)]


def _result(trial: "FrozenTrial") -> Result:
    attrs, state = trial.user_attrs, STATES[trial.state.name]
    return Result(
        trial.number,
        state,
        trial.value if state == "complete" else None,
        dict(trial.params),
        attrs.get(SECONDS),
        attrs.get(REASON),
        attrs.get(BEST_STEP),
        attrs.get(SCORES),
        attrs.get(DETAILS),
        dict(sorted(trial.intermediate_values.items())),
        trial.datetime_start.isoformat() if trial.datetime_start else None,
        trial.datetime_complete.isoformat() if trial.datetime_complete else None,
    )


def best_of(results: Sequence[Result]) -> Result | None:
    """The complete trial with the highest value, the first of several. None if none is complete."""
    complete = [result for result in results if result.value is not None]
    return max(complete, key=lambda result: (result.value, -result.number), default=None)


def write_trials(output: Path, results: Sequence[Result]) -> None:
    """Write a line of JSON for each finished trial."""
    lines = [json.dumps(result._asdict()) + "\n" for result in results]
    write_whole(output / TRIALS, "".join(lines))


def checked_best(results: Sequence[Result]) -> Result:
    """The best trial.

    Raises:
        UserError: If no trial is complete. Says why the first one failed.
    """
    best = best_of(results)
    if not results:
        raise UserError("No trial was run: the time was over before. Give it a longer --timeout.")
    if best is None:
        reasons = [result.reason for result in results if result.reason]
        why = f" The first one to fail: {reasons[0]}" if reasons else ""
        raise UserError(f"None of {len(results)} trials came to an end.{why}")
    return best


def write_best_config(output: Path, space: Space, config: Config, best: Result) -> Config:
    """Write the config of the best trial, complete.

    Returns:
        The same.
    """
    found = filled(with_seed(space.applied(config, best.params), 0))
    head = f"# Trial {best.number} of a search: {100 * (best.value or 0.0):.2f} on dev\n"
    write_whole(output / BEST_CONFIG, head + found.to_str())
    return found


def train_best(output: Path, config: Config, best: Result, use_gpu: int) -> bool:
    """Train the best config into `model-best`, if that is not what is there.

    Every trial would have to save its models otherwise, and the best trial may be another
    machine's.

    Args:
        output: The search's folder.
        config: The best config.
        best: Its trial.
        use_gpu: Number of the GPU, -1 for the CPU.

    Returns:
        Whether it had to be trained.
    """
    target = output / BEST_MODEL
    made_from = {"trial": best.number, "value": best.value}
    note = target / MADE_FROM
    if note.exists() and json.loads(note.read_text(encoding="utf8")) == made_from:
        return False
    with TemporaryDirectory(dir=output, prefix=".training-") as temporary:
        nlp = init_nlp(config, use_gpu=use_gpu)
        stdout = cast(IO, _Without(temporary))
        train(nlp, Path(temporary), use_gpu=use_gpu, stdout=stdout, stderr=sys.stderr)
        new = Path(temporary) / "model-best"
        (new / MADE_FROM).write_text(json.dumps(made_from) + "\n", encoding="utf8")
        if target.exists():
            shutil.move(str(target), str(Path(temporary) / "old"))
        shutil.move(str(new), str(target))
    return True


class _Without:
    """Standard output without the lines that name a folder which will be gone."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, text: str) -> None:
        """Print the text."""
        if self._folder not in text:
            sys.stdout.write(text)

    def flush(self) -> None:
        """Print it at once."""
        sys.stdout.flush()


def score_of_model(output: Path, config: Config) -> float:
    """The score of `model-best`, as its `meta.json` has it."""
    meta = json.loads((output / BEST_MODEL / "meta.json").read_text(encoding="utf8"))
    weights = config.interpolate()["training"]["score_weights"]
    return sum(
        weight * (meta["performance"].get(name) or 0.0)
        for name, weight in weights.items()
        if weight
    )
