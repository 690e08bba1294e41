"""`tune`: search for the settings of a training that suit the data best."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option
from wasabi import msg

from .app import bilstm_crf_cli, choose_gpu, parse_overrides
from .options import WITH_OVERRIDES, CodeOption, ConfigArgument, GpuOption, JobsOption, OutputFolder

if TYPE_CHECKING:
    from ..workflows.tuning.results import TrialResult

HEADER = f"{'trial':>5}  {'value':>8}  {'best':>8}  {'seconds':>8}  parameters that differ"


@bilstm_crf_cli.command("tune", context_settings=WITH_OVERRIDES)
def tune_cli(
    ctx: Context,  # for overrides of the config
    config_path: ConfigArgument,
    output: OutputFolder,
    space_path: Annotated[
        str | None,
        Argument(
            metavar="SPACE",
            help="Search space in config syntax. Default: the one that comes with the package, "
            "which `copy-config tuning` copies",
        ),
    ] = None,
    n_trials: int | None = Option(
        None,
        "--n-trials",
        "-n",
        min=1,
        help="Total number of trials, including those of earlier runs and other processes. "
        "Default: 30, or no limit with --timeout. Parallel processes may each run one more",
    ),
    timeout: float | None = Option(
        None, "--timeout", "-t", min=0, help="Start no new trial after this many seconds"
    ),
    jobs: JobsOption = 1,
    seeds: int = Option(
        1, "--seeds", "-s", min=1, help="Number of trainings per trial; their mean score counts"
    ),
    storage: str | None = Option(
        None,
        help="Database URL, to search on several machines. Default: SQLite in the output folder",
    ),
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Search for the settings that suit the data best.

    Each trial trains the config with different settings from the search space and is scored on the
    development data. Override other settings of the config as with `spacy train`: --paths.train
    train.spacy. Run the same command again to resume an interrupted search.
    """
    from ..workflows import tune

    more = ctx.args
    if space_path is not None and space_path.startswith("--"):
        # There is no space, and this is the first override: not an option of the command
        more, space_path = [space_path, *more], None
    overrides = parse_overrides(more)
    choose_gpu(use_gpu, silent=True)
    lines = _TrialLines(n_trials)
    result = tune(
        config_path,
        space_path,
        output,
        n_trials=n_trials,
        timeout=timeout,
        jobs=jobs,
        seeds=seeds,
        storage=storage,
        overrides=overrides,
        code=code_path,
        use_gpu=use_gpu,
        on_trial=lines.show,
        on_message=lines.write,
    )
    msg.good(f"Trial {result.best.number} is the best: {result.best.score} on dev")
    print(f"{output}: best.cfg, model-best, trials.jsonl, index.html")


class _TrialLines:
    """A bar on stderr for the whole search, and a line on stdout for each trial."""

    def __init__(self, n_trials: int | None) -> None:
        self._n_trials = n_trials
        self._best: float | None = None
        self._bar: Any = None

    def write(self, line: str) -> None:
        """Print a line, above the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(line, flush=True)

    def show(self, result: "TrialResult", given: Mapping[str, Any]) -> None:
        """Print the line of a trial that has just been finished."""
        from tqdm import tqdm

        if self._bar is None:
            self.write(HEADER)
            # None disables it where nobody looks
            self._bar = tqdm(total=self._n_trials, unit="trial", disable=None, file=sys.stderr)
        if result.value is not None:
            self._best = max(result.value, self._best or 0.0)
        best = "" if self._best is None else f"{100 * self._best:.2f}"
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        self.write(
            f"{result.number:>5}  {result.score:>8}  {best:>8}  {seconds:>8}  "
            f"{result.summary(given)}"
        )
        self._bar.update(max(0, result.number + 1 - self._bar.n))
