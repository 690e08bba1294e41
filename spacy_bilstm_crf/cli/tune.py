"""`tune`: search for the settings of a training that suit the data best."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Argument, Context, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.pipelines import import_code
from .app import bilstm_crf_cli, choose_gpu, fails_in_one_line, overrides_of

if TYPE_CHECKING:
    from ..workflows.tuning.results import Result

INSTALL = 'pip install "spacy-bilstm-crf[tune]"'
N_TRIALS = 30


@bilstm_crf_cli.command(
    "tune", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def tune_cli(
    ctx: Context,  # for overrides of the config
    config_path: Path = Argument(..., metavar="CONFIG", help="Training config to start from"),
    space_path: Path = Argument(
        ..., metavar="SPACE", help="Search space, in the syntax of a config: configs/tuning.cfg"
    ),
    output: Path = Option(..., "--output", "-o", help="Folder for the search and its results"),
    n_trials: int | None = Option(
        None,
        "--n-trials",
        "-n",
        min=1,
        help="Trials in all, those of earlier runs and of other processes included. 30 without "
        "--timeout",
    ),
    timeout: float | None = Option(
        None, "--timeout", "-t", min=0, help="Start no trial after so many seconds"
    ),
    jobs: int = Option(1, "--jobs", "-j", min=1, help="Processes that run trials at once"),
    seeds: int = Option(1, "--seeds", "-s", min=1, help="Trainings of each trial; the mean counts"),
    storage: str | None = Option(
        None,
        "--storage",
        help="URL of a database that Optuna takes. Without it a journal file in the folder",
    ),
    code_path: Path | None = Option(
        None, "--code", "-c", help="Python file with registered functions that the config needs"
    ),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Search for the settings that suit the data best.

    Each trial trains the config with other settings out of the search space and is judged by the
    development data. Other values of the config can be set as with `spacy train`:
    --paths.train train.spacy. Run the same command again to go on with a search that was stopped.
    """
    with fails_in_one_line():
        overrides = overrides_of(ctx.args)
        import_code(code_path)
        choose_gpu(use_gpu)
        n_trials = N_TRIALS if n_trials is None and timeout is None else n_trials
        best = tune(
            *(config_path, space_path, output),
            overrides=overrides,
            n_trials=n_trials,
            timeout=timeout,
            jobs=jobs,
            seeds=seeds,
            url=storage,
            code_path=code_path,
            use_gpu=use_gpu,
        )
    msg.good(f"Trial {best.number} is the best: {100 * (best.value or 0.0):.2f} on dev")
    print(f"{output}: best.cfg, model-best, trials.jsonl, index.html")


def tune(
    config_path: Path,
    space_path: Path,
    output: Path,
    *,
    overrides: dict[str, Any],
    n_trials: int | None,
    timeout: float | None = None,
    jobs: int = 1,
    seeds: int = 1,
    url: str | None = None,
    code_path: Path | None = None,
    use_gpu: int = -1,
) -> "Result":
    """Search, or go on with a search, and write what came out.

    Args:
        config_path: The config to start from.
        space_path: The search space.
        output: The search's folder.
        overrides: Values that take the place of the config's, by their paths.
        n_trials: Trials in all. None for any number, until the time is over.
        timeout: Seconds after which no trial is started.
        jobs: Number of processes.
        seeds: Trainings of each trial.
        url: Of the storage. None for a journal file in the folder.
        code_path: Python file with registered functions, for the other processes.
        use_gpu: Number of the GPU, -1 for the CPU.

    Returns:
        The best trial.

    Raises:
        UserError: If something that was given can't be used, or no trial came to an end.
    """
    start = time.time()
    _check_extra()
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows.tuning.checks import prepared
    from ..workflows.tuning.search import Job
    from ..workflows.tuning.whole import searched

    try:
        search = prepared(config_path, space_path, overrides, seeds)
        until = None if timeout is None else start + timeout
        job = Job(search, output, url, n_trials, until, use_gpu, code_path)
        return searched(job, jobs)
    except UserError as error:
        raise UserError(str(error)) from error


def _check_extra() -> None:
    try:
        import matplotlib
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError(f"`tune` needs Optuna and Matplotlib: {INSTALL}") from error
    matplotlib.use("svg")  # without a screen
