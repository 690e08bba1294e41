"""The study of a search: where Optuna keeps its trials, and what state they are in."""

import hashlib
import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spacy.util import dict_to_dot
from thinc.api import Config

from ...common.errors import UserError, one_line, reported_damage
from ...common.files import write_whole
from ...training.configs import refused
from .space import NOT_THERE, Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

DATABASE, DEFINITION, OLD_JOURNAL = "search.db", "search.json", "journal.log"
OPEN_LOCK, WRITE_LOCK = ".open.lock", ".write.lock"
SECONDS_A_BEAT = 10
GRACE_SECONDS = 60  # a trial without a beat for so long is repeated
SECONDS_FOR_LOCK = 120  # SQLite lets one process write at a time
# User attributes of a trial: its process, and what it says of itself when it ends. The outcome has
# the fields of a TrialResult that Optuna does not keep, and `is_expected` if the training failed.
WORKER, OUTCOME = "worker", "outcome"


class SearchJob(NamedTuple):
    """All that a process needs to take part in a search. Can be pickled."""

    config: Config  # complete
    space: Space
    output: Path
    seeds: int = 1  # trainings of each trial
    storage: str | None = None  # URL of a database; None for SQLite in the output folder
    n_trials: int | None = None  # in all, whoever runs them
    until: float | None = None  # on the clock of `time.time`: no trial starts later
    use_gpu: int = -1
    code: str | Path | None = None  # Python file with functions that the config needs

    @property
    def definition(self) -> dict[str, Any]:
        """What can't change once the search has begun, as it is written to the folder."""
        space = self.space.model_dump(mode="json")
        text = json.dumps({"config": self.config, "space": space, "seeds": self.seeds})
        return dict(json.loads(text))

    def seconds_left(self) -> float | None:
        """Return how long trials may still start. None for any time."""
        return None if self.until is None else max(0.0, self.until - time.time())

    def is_late(self) -> bool:
        """Tell whether the time is over."""
        return self.seconds_left() == 0.0


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log, and its warnings that the heartbeat is experimental."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def begin_search(job: SearchJob) -> None:
    """Write to the folder what is searched, or check that it is what was searched before.

    Raises:
        UserError: If the folder has another search, or one of an earlier version.
    """
    if job.storage is not None and job.storage.startswith(("redis", "journal")):
        raise UserError(
            f"--storage {job.storage} is a journal, which is no longer supported. Name a database, "
            f"such as postgresql+psycopg://user@host/name."
        )
    if (job.output / OLD_JOURNAL).exists() or any(job.output.glob("*.journal")):
        raise UserError(
            f"{job.output} holds the journal of an earlier version's search, which can't be "
            f"resumed. Name another folder with --output."
        )
    with refused(f"The folder {job.output} can't be created"):
        job.output.mkdir(parents=True, exist_ok=True)
    path = job.output / DEFINITION
    if not path.exists():
        write_whole(path, json.dumps(job.definition, indent=1) + "\n")
        return
    with reported_damage(f"{path} is damaged: name another folder with --output"):
        before = json.loads(path.read_text(encoding="utf8"))
        seeds = f"number of seeds ({before['seeds']}, now {job.seeds})"
        old, new = dict_to_dot(before), dict_to_dot(job.definition)
    changed = [at for at in {**old, **new} if old.get(at, NOT_THERE) != new.get(at, NOT_THERE)]
    if changed:
        what, _, where = changed[0].partition(".")
        how = seeds if what == "seeds" else f"{what} (where {where} is different)"
        raise UserError(
            f"{job.output} holds a search with another {how}: name another folder with "
            f"--output, or resume it with the same config, space and --seeds."
        )


def open_study(job: SearchJob) -> "Study":
    """Open the study of a search, or create it.

    Its first trial is the config as it is, if the space has all of its values.

    Raises:
        UserError: If the storage can't be opened.
    """
    import optuna
    from filelock import FileLock

    # A database may hold several searches
    digest = hashlib.sha256(json.dumps(job.definition, sort_keys=True).encode("utf8")).hexdigest()
    try:
        with FileLock(job.output / OPEN_LOCK):
            arguments: dict[str, Any] = {
                "study_name": f"bilstm-crf-tune-{digest[:16]}",
                "storage": _open_storage(job),
                "sampler": job.space.make_sampler(),
                "pruner": job.space.search.pruner.make("pruner"),
            }
            try:
                study, is_new = optuna.create_study(direction="maximize", **arguments), True
            except optuna.exceptions.DuplicatedStudyError:
                study, is_new = optuna.load_study(**arguments), False
            given, missing = job.space.values_in(job.config)
            # The lock is this folder's. Processes with other folders share a database alone: two of
            # them could both see no trial yet, so the one that creates the study adds it.
            is_ours = is_new or job.storage is None
            if is_ours and not (missing or job.space.is_grid):
                study.enqueue_trial(given, skip_if_exists=True)
    except Exception as error:  # SQLAlchemy's, the driver's, Optuna's own
        where = "--storage" if job.storage else job.output / DATABASE
        raise UserError(f"{where} can't be opened: {one_line(error)}") from error
    return study


def _open_storage(job: SearchJob) -> "RDBStorage":
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    file = (job.output / DATABASE).resolve().as_posix()
    # Optuna takes braces for a template
    url = job.storage or f"sqlite:///{file}".replace("{", "{{").replace("}", "}}")
    # A server may close a connection that is idle for the length of a training
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        options = {"connect_args": {"timeout": SECONDS_FOR_LOCK}}
    for left in reversed(range(5)):
        try:
            return RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=SECONDS_A_BEAT,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
        except Exception as error:
            # Two machines that start at once both create the tables, and one of them fails
            if not left or not ("exist" in str(error) or type(error).__name__ == "IntegrityError"):
                raise
            time.sleep(1 / (1 + left))
    raise AssertionError


def outcome_of(trial: "FrozenTrial") -> dict[str, Any]:
    """Return what a trial says of itself, which is nothing before it ends."""
    return dict(trial.user_attrs.get(OUTCOME, {}))


def counted_trials(study: "Study") -> list["FrozenTrial"]:
    """Return the trials that are finished or running, in their order.

    Not those whose process was gone: Optuna marks them as failed, and adds a trial that waits and
    repeats them.
    """
    from optuna.trial import TrialState

    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.WAITING
        and (trial.state != TrialState.FAIL or "reason" in outcome_of(trial))
    ]


def finished_trials(study: "Study") -> list["FrozenTrial"]:
    """Return the trials that are complete, pruned or failed by themselves, in their order."""
    return [trial for trial in counted_trials(study) if trial.state.is_finished()]
