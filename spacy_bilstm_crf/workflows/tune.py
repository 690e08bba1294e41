"""Search for the settings of a training that suit the data best."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from thinc.api import require_gpu

from ..common.errors import check_at_least, check_installed
from ..common.files import write_whole
from ..common.pipelines import import_code
from ..common.resources import SEARCH_SPACE, shipped_config
from ..data.corpus import unread_incorrect_spans
from ..training.configs import check_data, filled_config, read_config
from .tuning import results
from .tuning.checks import check_space
from .tuning.page import search_page
from .tuning.results import SearchResult, TrialResult, results_of
from .tuning.search import run_search
from .tuning.space import read_space
from .tuning.study import WRITE_LOCK, SearchJob, begin_search, open_study, quiet_optuna
from .tuning.trial import with_seed

DEFAULT_TRIALS = 30
OnTrial = Callable[[TrialResult, Mapping[str, Any]], None]


def tune(
    config: str | Path,
    space: str | Path | None,
    output: str | Path,
    *,
    n_trials: int | None = None,
    timeout: float | None = None,
    jobs: int = 1,
    seeds: int = 1,
    storage: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    code: str | Path | None = None,
    use_gpu: int = -1,
    on_trial: OnTrial | None = None,
    on_message: Callable[[str], None] | None = None,
) -> SearchResult:
    """Search for the settings of a training, or resume a search, and write the results.

    Each trial trains the config with different settings from the search space, and is scored on the
    development data. The folder gets the best config (`best.cfg`), the pipeline that it trains
    (`model-best`), a line for each trial (`trials.jsonl`) and a page (`index.html`).

    A search may be killed at any moment. The same call resumes it: finished trials count, and a
    trial whose process is gone is repeated after a minute. Several processes may share a folder or
    a database. Each checks the number of trials before it starts one, so each process but the first
    may run one too many.

    Args:
        config: The training config to start from.
        space: The search space, a file in the syntax of a config. None for the one that comes with
            the package.
        output: Folder for the search and its results.
        n_trials: Total number of trials, including those of earlier calls and other processes. None
            for 30, or for no limit with a `timeout`.
        timeout: Seconds after which no new trial is started.
        jobs: Number of processes that run trials at once.
        seeds: Number of trainings of each trial; the mean of their scores counts.
        storage: URL of a database that Optuna supports, to search on several machines. None keeps
            the search in an SQLite file in the folder.
        overrides: Values that replace the config's, by their paths.
        code: Python file with registered functions that the config needs.
        use_gpu: ID of the GPU, or -1 for the CPU.
        on_trial: Called with each newly finished trial, and with the parameters of the original
            config.
        on_message: Called with lines about the progress.

    Returns:
        The best trial and all finished ones.

    Raises:
        UserError: If an argument can't be used, trial after trial fails for the same reason, or no
            trial was completed.
    """
    start = time.time()
    check_installed("tune", "optuna", "matplotlib", "jinja2", "filelock")
    say = on_message or (lambda text: None)
    check_at_least(1, n_trials=n_trials, jobs=jobs, seeds=seeds)
    if n_trials is None and timeout is None:
        n_trials = DEFAULT_TRIALS
    import_code(code)
    if use_gpu >= 0:
        require_gpu(use_gpu)
    with quiet_optuna():
        job = SearchJob(
            config=read_config(Path(config), overrides or {}),
            space=read_space(shipped_config(SEARCH_SPACE) if space is None else Path(space)),
            output=Path(output),
            seeds=seeds,
            storage=storage,
            n_trials=n_trials,
            until=None if timeout is None else start + timeout,
            use_gpu=use_gpu,
            code=code,
        )
        job.space.make_sampler()
        job.space.search.pruner.make("pruner")
        check_space(job.space, job.config)
        unread = unread_incorrect_spans(*check_data(job.config))
        if unread is not None:
            say(unread)
        begin_search(job)
        return _search(job, jobs, on_trial, say)


def _search(
    job: SearchJob, jobs: int, on_trial: OnTrial | None, say: Callable[[str], None]
) -> SearchResult:
    from filelock import FileLock

    given, missing = job.space.values_in(job.config)
    study = open_study(job)
    seen = {result.number for result in results_of(study)}
    if seen:
        say(f"{len(seen)} trials are finished. The search goes on.")
    if missing:
        say(
            f"The config itself is not tried: the space lacks its {', '.join(missing)}. Add these "
            f"values to the space to compare with it."
        )

    def look() -> None:
        for result in results_of(study) if on_trial else ():
            if on_trial and result.number not in seen:
                seen.add(result.number)
                on_trial(result, given)

    run_search(job, study, jobs, look)
    # Processes with the same folder write one after the other
    with FileLock(job.output / WRITE_LOCK):
        trials = results_of(study)
        best = results.write_trials(job.output, trials)
        write_whole(job.output / results.SEARCH_PAGE, search_page(study, trials, best, given))
        config = filled_config(with_seed(job.space.applied(job.config, best.params), 0))
        results.train_best(job.output, config, best, job.use_gpu, say)
    if not best.value:
        say(
            "No trial found an entity of the development data. Train longer (training.max_steps), "
            "or check the data with `bilstm-crf audit`."
        )
    return SearchResult(job.output, best, trials)
