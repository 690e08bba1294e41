"""Run trials until there are enough, in one process or in several."""

import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ...common.errors import UserError
from ...common.pipelines import import_code
from ...common.processes import end_with_parent
from .study import SearchJob, counted_trials, finished_trials, open_study, outcome_of, quiet_optuna
from .trial import TrainingFailed, run_trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

EXHAUSTED = "exhausted"  # user attribute of a study: its grid has no more points
SAME_FAILURES = 3  # after so many in a row the config or the data are at fault, not the trials
SECONDS_BETWEEN_LOOKS = 1.0


def run_search(job: SearchJob, study: "Study", jobs: int, look: Callable[[], None]) -> None:
    """Run trials until there are enough or the time is over, and wait for those of others.

    `look` is called when a trial may have been finished.

    Raises:
        UserError: If trial after trial fails for the same reason, or all processes ended.
    """
    import optuna

    if jobs > 1:
        _run_processes(job, study, jobs, look)
    while True:
        run_trials(job, study, look)  # also those of processes that are gone
        look()
        is_done = all(trial.state.is_finished() for trial in counted_trials(study))
        if is_done or job.is_late():
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)
        optuna.storages.fail_stale_trials(study)


def run_trials(job: SearchJob, study: "Study", look: Callable[[], None]) -> None:
    """Run trials one after the other until there are enough or the time is over.

    Processes that look at once may each start the last trial: one too many for each but the first.
    """
    from optuna.trial import TrialState

    def is_enough() -> bool:
        # Optuna's MaxTrialsCallback would count trials whose process was gone, which are repeated
        return job.n_trials is not None and len(counted_trials(study)) >= job.n_trials

    def is_exhausted() -> bool:
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return EXHAUSTED in study.user_attrs and not waiting

    def after_trial(study: "Study", trial: "FrozenTrial") -> None:
        look()
        _check_failures(study)
        if is_enough():
            study.stop()

    while not (is_enough() or job.is_late() or is_exhausted()):
        try:
            study.optimize(
                partial(run_trial, job=job),
                timeout=job.seconds_left(),
                catch=(TrainingFailed,),
                callbacks=[after_trial],
            )
        except (ValueError, AssertionError) as error:
            # How Optuna says that this process was without a beat for too long and lost its trial
            if not str(error).startswith(("Cannot tell a", "Should not reach")):
                raise
        else:
            if job.space.is_grid and not is_enough() and not job.is_late():
                study.set_user_attr(EXHAUSTED, True)


def _check_failures(study: "Study") -> None:
    """Check that the last trials did not all fail for a reason that no other would be spared."""
    last = [outcome_of(trial) for trial in finished_trials(study)[-SAME_FAILURES:]]
    reasons = {outcome.get("reason") for outcome in last}
    is_expected = any(outcome.get("is_expected", True) for outcome in last)
    if len(last) == SAME_FAILURES and len(reasons) == 1 and not is_expected:
        raise UserError(f"{SAME_FAILURES} trials in a row failed: {reasons.pop()}")


def _run_processes(job: SearchJob, study: "Study", jobs: int, look: Callable[[], None]) -> None:
    """Run trials in several processes, and look at the storage meanwhile."""
    context = multiprocessing.get_context("spawn")  # torch and CUDA don't survive a fork
    arguments = (job, jobs, os.getpid())
    processes = [context.Process(target=_take_part, args=arguments) for _ in range(jobs)]
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
    _check_failures(study)  # which ends the processes too
    if all(process.exitcode for process in processes):
        raise UserError(
            f"All {jobs} processes ended with the exit code {processes[0].exitcode}: run the same "
            f"command again to resume, with fewer --jobs if memory ran out."
        )


def _take_part(job: SearchJob, jobs: int, parent: int) -> None:
    """Run trials in a process of its own, as one of several."""
    import torch
    from thinc.api import require_gpu

    end_with_parent(parent, lambda: os._exit(1))
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    import_code(job.code)
    if job.use_gpu >= 0:
        require_gpu(job.use_gpu)
    with quiet_optuna(), suppress(UserError):  # the first process sees the same failures
        run_trials(job, open_study(job), lambda: None)
