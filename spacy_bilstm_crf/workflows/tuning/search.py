"""The search itself: claim a trial, run it, tell the storage, until there are enough."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from thinc.api import Config

from ...common.errors import UserError
from .checks import make_pruner, make_sampler
from .claims import Claims, Heart
from .space_file import parse_space
from .storage import Search, Storage, open_study
from .trials import Outcome, run_trial

if TYPE_CHECKING:
    from optuna import Study

EXHAUSTED = "exhausted"  # of the study: a grid has no more points
SAME_FAILURES = 3  # after so many in a row the config or the data are at fault, not the trials
SECONDS_BETWEEN_LOOKS = 1.0


class Job(NamedTuple):
    """What a process needs to take part in a search. Can be pickled."""

    search: Search
    output: Path
    url: str | None
    n_trials: int | None  # in all, whoever runs them
    until: float | None  # on the clock of `time.time`: no trial starts later
    use_gpu: int
    code_path: Path | None  # with functions that the config needs

    def open(self) -> "Opened":
        """Open the storage."""
        space = parse_space(self.search.space)
        study, storage = open_study(self.output, self.url, self.search, make_pruner(space))
        config = Config().from_str(self.search.config, interpolate=False)
        # These try each point once, and no other
        is_grid = space.sampler["name"] in ("GridSampler", "BruteForceSampler")
        first = None if is_grid else space.of_config(config)
        claims = Claims(study, storage, self.n_trials, first)
        return Opened(study, storage, claims)

    def is_late(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.time() >= self.until


class Opened(NamedTuple):
    """A search that this process takes part in."""

    study: "Study"
    storage: Storage
    claims: Claims


Look = Callable[[], None]


def run_search(job: Job, opened: Opened, jobs: int, look: Look) -> None:
    """Run trials until there are enough or the time is over, and wait for those of others.

    Args:
        job: What to do.
        opened: The search, as this process has it open.
        jobs: Number of processes.
        look: Called when something may have been finished.

    Raises:
        UserError: If trial after trial fails for the same reason, or all processes ended.
    """
    from optuna.trial import TrialState

    if jobs > 1:
        _with_processes(job, jobs, look)
    while True:
        # Also what is left of processes that ended before their trial did
        work(job, opened, look)
        look()
        trials = opened.claims.trials()
        if job.is_late() or not any(trial.state == TrialState.RUNNING for trial in trials):
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def work(job: Job, opened: Opened, look: Look) -> None:
    """Run trials one after the other."""
    from optuna.exceptions import UpdateFinishedTrialError

    space = parse_space(job.search.space)
    config = Config().from_str(job.search.config, interpolate=False)
    same_failures: list[str] = []
    while not job.is_late() and not opened.study.user_attrs.get(EXHAUSTED):
        number = opened.claims.claim()
        if number is None:
            return
        # A sampler is as new for each trial, so that a search that is started again goes on with
        # other random numbers, and two processes have different ones
        opened.study.sampler = make_sampler(space, space.seed + number)
        trial_id = opened.storage.trial_id(number)
        try:
            with Heart(opened.storage, trial_id):
                outcome = _run(job, opened, trial_id, space, config)
        except UpdateFinishedTrialError:
            continue  # this process was silent for so long that another one repeats the trial
        look()
        same_failures = _checked(same_failures, outcome)


def _run(job: Job, opened: Opened, trial_id: int, space: Any, config: Config) -> Outcome:
    from optuna import Trial
    from optuna.trial import TrialState

    states = {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    trial = Trial(opened.study, trial_id)
    outcome = run_trial(trial, space, config, job.search.seeds, job.use_gpu)
    try:
        opened.study.tell(trial, outcome.value, states[outcome.state])
    except RuntimeError as error:
        # How a grid says that it has no more points. The trial is in the storage by then.
        if "Study.stop" not in str(error):
            raise
        opened.study.set_user_attr(EXHAUSTED, True)
    return outcome


def _checked(failures: list[str], outcome: Outcome) -> list[str]:
    """The failures in a row that no other trial would be spared.

    Raises:
        UserError: If there are too many.
    """
    if outcome.state != "failed" or outcome.is_expected:
        return []
    failures = [reason for reason in failures if reason == outcome.reason] + [outcome.reason]
    if len(failures) == SAME_FAILURES:
        raise UserError(f"{SAME_FAILURES} trials in a row failed: {outcome.reason}")
    return failures


def _with_processes(job: Job, jobs: int, look: Look) -> None:
    """Run trials in several processes, and look at the storage meanwhile."""
    context = multiprocessing.get_context("spawn")  # torch and CUDA don't survive a fork
    queue = context.Queue()
    processes: list[BaseProcess] = [
        context.Process(target=_in_process, args=(job, jobs, queue)) for _ in range(jobs)
    ]
    for process in processes:
        process.start()
    try:
        while any(process.is_alive() for process in processes):
            time.sleep(SECONDS_BETWEEN_LOOKS)
            look()
    finally:
        for process in processes:
            process.terminate()
            process.join()
    if not queue.empty():
        raise UserError(queue.get())
    if all(process.exitcode for process in processes):
        raise UserError(
            f"All {jobs} processes ended with the exit code {processes[0].exitcode}: run the same "
            f"command again to go on, with fewer --jobs if there was not enough memory."
        )


def _in_process(job: Job, jobs: int, queue: Any) -> None:
    """What each of several processes does."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if job.code_path is not None:
            from spacy.util import import_file

            import_file("python_code", job.code_path)
        if job.use_gpu >= 0:
            from thinc.api import require_gpu

            require_gpu(job.use_gpu)
        work(job, job.open(), lambda: None)
    except UserError as error:
        queue.put(str(error))


def _end_with_parent() -> None:
    """Killed alone, the command would leave processes that nobody knows of."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
