"""A search from its beginning to its results."""

import warnings
from pathlib import Path
from typing import Any, Dict, List

from thinc.api import Config

from . import results as files
from .checks import check_data, check_space, make_pruner, make_sampler, read_config
from .display import Display
from .page import page_of
from .search import Job, Opened, run_search
from .space_file import parse_space, read_space
from .storage import Search, begin, write_whole

# What a training on other hardware or by another version may come to without anything being wrong
SAME_SCORE = 1e-6


def prepared(config_path: Path, space_path: Path, overrides: Dict[str, Any], seeds: int) -> Search:
    """Read a config and a search space, and check them against one another and the data.

    Args:
        config_path: The config.
        space_path: The search space.
        overrides: Values that take the place of the config's, by their paths.
        seeds: Trainings of each trial.

    Raises:
        TuningError: If something is wrong. Says what.
    """
    space = read_space(space_path)
    _quiet_optuna()
    make_sampler(space, space.seed)
    make_pruner(space)
    config = read_config(config_path, overrides)
    check_space(space, config)
    check_data(config)
    return Search(config.to_str(), space_path.read_text(encoding="utf8"), seeds)


def searched(job: Job, jobs: int) -> files.Result:
    """Search until there are enough trials or the time is over, and write what came out.

    Args:
        job: What to do.
        jobs: Number of processes.

    Returns:
        The best trial.

    Raises:
        TuningError: If the folder has another search, or no trial came to an end.
    """
    begin(job.output, job.search)
    opened = job.open()
    space = parse_space(job.search.space)
    config = Config().from_str(job.search.config, interpolate=False)
    of_config = space.values_in(config)
    before = _results(opened)
    if before:
        print(f"{len(before)} trials are finished. The search goes on.")
    outside = space.missing_values(config)
    if outside:
        print(f"The config itself is not tried: the space lacks its {', '.join(outside)}.")
    display = Display(job.n_trials, before, of_config)
    try:
        run_search(job, opened, jobs, lambda: display.show(_results(opened)))
    finally:
        display.close()
    with files.alone(job.output):
        found = _results(opened)
        files.write_trials(job.output, found)
        best = files.checked_best(found)
        names = {parameter.name: parameter.log for parameter in space.parameters.values()}
        page = page_of(opened.study, found, best, names, of_config)
        write_whole(job.output / files.PAGE, page)
        best_config = files.write_best_config(job.output, space, config, best)
        print(f"Trial {best.number} is trained again, for {files.BEST_MODEL}.")
        if files.train_best(job.output, best_config, best, job.use_gpu):
            _compare(job, best, best_config)
    return best


def _compare(job: Job, best: files.Result, config: Config) -> None:
    expected = (best.scores_of_seeds or [0.0])[0]
    found = files.score_of_model(job.output, config)
    if abs(found - expected) > SAME_SCORE:
        print(
            f"It came to {100 * found:.2f}, but to {100 * expected:.2f} in the search: other "
            f"hardware, another number of threads or other data."
        )


def _results(opened: Opened) -> List[files.Result]:
    return files.results_of(opened.study.get_trials(deepcopy=False))


def _quiet_optuna() -> None:
    from optuna.exceptions import ExperimentalWarning

    # Samplers' arguments that may change one day, which the space's file asks for
    warnings.simplefilter("ignore", ExperimentalWarning)
