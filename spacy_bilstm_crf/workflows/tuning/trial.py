"""One trial: trainings with its parameters, whose scores go to the pruner."""

import gc
import math
import os
import platform
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from thinc.api import Config

from ...common.errors import is_out_of_memory, one_line
from ...training.loop import train_pipeline
from .study import OUTCOME, WORKER, SearchJob

if TYPE_CHECKING:
    from optuna import Trial


class BestEvaluation(NamedTuple):
    """The best evaluation of a training."""

    score: float
    best_step: int
    details: dict[str, Any]  # the scores that the score is made of


class TrainingFailed(Exception):
    """A training of a trial ended with an error, which the trial's user attributes name."""


def run_trial(trial: "Trial", job: SearchJob) -> float:
    """Train with the parameters that the sampler chooses, and return the value of the trial.

    The value is the mean over the seeds of the best score on the development data, the one by which
    spaCy chooses `model-best`. The pruner sees the evaluations of the first seed. A trial that it
    lets pass is trained with the other seeds to the end.

    Raises:
        TrialPruned: If the pruner ends the trial.
        TrainingFailed: If a training fails.
    """
    from optuna import TrialPruned

    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if trial.should_prune():
            raise TrialPruned(f"at step {step}")

    start = perf_counter()
    trial.set_user_attr(WORKER, f"{platform.node()} {os.getpid()}")
    trial.study.sampler = job.space.make_sampler(trial.number)
    found: list[BestEvaluation] = []
    outcome: dict[str, Any] = {}
    try:
        config = job.space.applied(job.config, job.space.suggest(trial))
        for index in range(job.seeds):
            seeded = with_seed(config, index)
            found.append(train_once(seeded, job.use_gpu, None if index else report))
        scores = [best.score for best in found]
        outcome = {"scores_of_seeds": scores, **found[0]._asdict()}
        return sum(scores) / job.seeds
    except TrialPruned:
        raise
    except KeyboardInterrupt:
        trial.study.enqueue_trial(trial.params)  # for whoever goes on with the search
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("optuna", "sqlalchemy"):
            raise  # the search itself has a problem, not the training
        reason = f"{type(error).__name__}: {one_line(error)}"
        outcome = {"reason": reason, "is_expected": _is_expected(error)}
        raise TrainingFailed(reason) from error
    finally:
        gc.collect()
        _empty_gpu_cache()
        outcome["seconds"] = round(perf_counter() - start, 2)
        trial.set_user_attr(OUTCOME, outcome)


def _empty_gpu_cache() -> None:
    import torch

    torch.cuda.empty_cache()


def _is_expected(error: Exception) -> bool:
    """Tell whether other parameters may do better: it diverged, or was too large for the memory."""
    # The component refuses scores that are NaN with an error that says so
    is_nan = isinstance(error, ValueError) and "NaN" in str(error)
    return isinstance(error, ArithmeticError) or is_nan or is_out_of_memory(error)


def with_seed(config: Config, index: int) -> Config:
    """Return the config with the seed of one of a trial's trainings, counted from 0."""
    seed = config.interpolate()["training"]["seed"]
    if index == 0 and seed is not None:
        return config
    return config.merge({"training": {"seed": int(seed or 0) + index}})


def train_once(
    config: Config, use_gpu: int, report: Callable[[int, float], None] | None = None
) -> BestEvaluation:
    """Train a config without its logger, and save nothing.

    `report` is called with the step and the score of each evaluation, and may raise.

    Raises:
        FloatingPointError: If the loss or the score is NaN or infinite.
    """
    weights = config.interpolate()["training"]["score_weights"]
    best: list[BestEvaluation] = []

    def on_evaluation(info: dict[str, Any]) -> None:
        score, step = float(info["score"]), int(info["step"])
        for name, loss in info["losses"].items():
            if not math.isfinite(float(loss)):
                raise FloatingPointError(f"the loss of '{name}' is {float(loss)} at step {step}")
        if not math.isfinite(score):
            raise FloatingPointError(f"the score is {score} at step {step}")
        if not best or score > best[-1].score:
            details = {name: info["other_scores"].get(name) for name in weights}
            best.append(BestEvaluation(score, step, details))
        if report is not None:
            report(step, score)

    train_pipeline(config, use_gpu=use_gpu, verbose=False, on_evaluation=on_evaluation)
    return best[-1]
