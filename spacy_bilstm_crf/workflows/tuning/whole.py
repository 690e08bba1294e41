"""A search from its beginning to its results."""

from thinc.api import Config

from . import results as files
from .display import Display
from .locks import FileLock, held
from .page import page_of
from .search import Job, Opened, run_search
from .space_file import parse_space
from .storage import begin, write_whole

# What a training on other hardware or by another version may come to without anything being wrong
SAME_SCORE = 1e-6


def searched(job: Job, jobs: int) -> files.Result:
    """Search until there are enough trials or the time is over, and write what came out.

    Args:
        job: What to do.
        jobs: Number of processes.

    Returns:
        The best trial.

    Raises:
        UserError: If the folder has another search, or no trial came to an end.
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
    # Processes with the same folder write one after the other
    with held(FileLock(job.output / ".lock")):
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


def _results(opened: Opened) -> list[files.Result]:
    return files.results_of(opened.study.get_trials(deepcopy=False))
