"""Run one trial: trainings by spaCy's own loop, whose scores go to the pruner."""

import gc
import io
import math
from collections.abc import Callable
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry
from thinc.api import Config

from ...common.errors import is_out_of_memory, one_line
from .space import Space

if TYPE_CHECKING:
    from optuna import Trial

LOGGER = "spacy-bilstm-crf.trial_logger"
# What a finished trial says of itself, in its user attributes
REASON, SECONDS, SCORES, BEST_STEP, DETAILS = (
    *("reason", "seconds", "scores_of_seeds", "best_step", "details"),
)


class Best(NamedTuple):
    """The best evaluation of a training."""

    score: float
    step: int
    details: dict[str, Any]  # the scores that the score is made of


class Outcome(NamedTuple):
    """What a trial came to."""

    state: str  # complete, pruned or failed
    value: float | None = None
    reason: str = ""  # of a failure
    # Another trial may do better: the numbers ran away, or it was too large for the memory
    is_expected: bool = True


class Diverged(ArithmeticError):
    """The loss or the score is no number any more."""


OnEvaluation = Callable[[int, float], None]


def run_trial(
    trial: "Trial", space: Space, config: Config, seeds: int, use_gpu: int = -1
) -> Outcome:
    """Train with the parameters of a trial, and write in the storage how it went.

    The value is the mean over the seeds of the best score on the development data, which is the one
    that spaCy chooses `model-best` by. The pruner sees the evaluations of the first seed. A trial
    that it lets pass is trained with the other seeds to the end.

    Args:
        trial: Optuna's, which is running.
        space: The search space.
        config: The complete config.
        seeds: Number of trainings, with seeds that follow one another.
        use_gpu: Number of the GPU, -1 for the CPU.

    Returns:
        What it came to. An error in the training is a failed trial.
    """
    from optuna import TrialPruned

    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if trial.should_prune():
            raise TrialPruned(f"at step {step}")

    start = perf_counter()
    found: list[Best] = []
    try:
        with_params = space.applied(config, space.suggest(trial))
        for index in range(seeds):
            seeded = with_seed(with_params, index)
            found.append(best_of_training(seeded, use_gpu, report if index == 0 else None))
        outcome = Outcome("complete", sum(best.score for best in found) / seeds)
    except TrialPruned:
        outcome = Outcome("pruned")
    except Exception as error:
        if _is_of_storage(error):
            raise
        expected = isinstance(error, ArithmeticError) or _is_nan(error) or is_out_of_memory(error)
        outcome = Outcome("failed", None, f"{type(error).__name__}: {one_line(error)}", expected)
    finally:
        _free_memory(use_gpu)
    _note(trial, outcome, found, perf_counter() - start)
    return outcome


def _note(trial: "Trial", outcome: Outcome, found: list[Best], seconds: float) -> None:
    trial.set_user_attr(SECONDS, round(seconds, 2))
    if outcome.reason:
        trial.set_user_attr(REASON, outcome.reason)
    if outcome.state == "complete":
        trial.set_user_attr(SCORES, [best.score for best in found])
        trial.set_user_attr(BEST_STEP, found[0].step)
        trial.set_user_attr(DETAILS, found[0].details)


def _is_of_storage(error: Exception) -> bool:
    """Whether the search itself has a problem, not the training."""
    return type(error).__module__.partition(".")[0] in ("optuna", "sqlalchemy")


def _is_nan(error: Exception) -> bool:
    """The component refuses scores that are NaN with an error that says so."""
    return isinstance(error, ValueError) and "NaN" in str(error)


def _free_memory(use_gpu: int) -> None:
    gc.collect()
    if use_gpu >= 0:
        import torch

        torch.cuda.empty_cache()


def first_seed(config: Config) -> int:
    """The seed of the config's training; 0 if it has none."""
    seed = config.interpolate()["training"]["seed"]
    return 0 if seed is None else int(seed)


def with_seed(config: Config, index: int) -> Config:
    """The config with the seed that is so many after its own, which itself is kept as it is."""
    if index == 0 and config.interpolate()["training"]["seed"] is not None:
        return config
    return config.merge({"training": {"seed": first_seed(config) + index}})


def best_of_training(config: Config, use_gpu: int, report: OnEvaluation | None = None) -> Best:
    """Train a config by spaCy's own loop, and save nothing.

    Args:
        config: The config. Its logger is not used.
        use_gpu: Number of the GPU, -1 for the CPU.
        report: Called with the step and the score of each evaluation; may raise.

    Raises:
        Diverged: If the loss or the score is NaN or infinite.
    """
    best: list[Best] = []

    def log(info: dict[str, Any] | None) -> None:
        if info is None:
            return  # a step without evaluation
        score, step = float(info["score"]), int(info["step"])
        for name, loss in info["losses"].items():
            if not math.isfinite(float(loss)):
                raise Diverged(f"the loss of '{name}' is {float(loss)} at step {step}")
        if not math.isfinite(score):
            raise Diverged(f"the score is {score} at step {step}")
        if not best or score > best[-1].score:
            details = {name: info["other_scores"].get(name) for name in weights}
            best.append(Best(score, step, details))
        if report is not None:
            report(step, score)

    def logger(nlp: Language, stdout: IO, stderr: IO) -> tuple[Callable, Callable]:
        return log, lambda: None

    registry.loggers.register(LOGGER, func=lambda: logger)
    changed = config.copy()
    changed["training"]["logger"] = {"@loggers": LOGGER}
    weights = config.interpolate()["training"]["score_weights"]
    nlp = init_nlp(changed, use_gpu=use_gpu)
    train(nlp, None, use_gpu=use_gpu, stdout=io.StringIO(), stderr=io.StringIO())
    return best[-1]
