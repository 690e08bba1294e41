"""Who runs which trial, where several processes share a storage and each may be killed.

A process claims a trial by adding one to the study that is running already and that says who runs
it. That is one step for any storage, so there is no moment at which a trial is running and nobody
knows whose it is. Then it looks at all trials. A study numbers them in the order in which they were
added, and everybody sees the same order: if more than enough came before, or one before repeats the
same trial, the claim is given up.

A trial whose process is gone is marked as interrupted and is repeated with its parameters.
Interrupted and surplus trials stay in the study as failed ones, and count for nothing.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from .storage import Storage

# What a trial says of itself, in its user attributes
WORKER, BEAT, REPEATS, SURPLUS, INTERRUPTED = (
    *("worker", "beat", "repeats", "surplus", "interrupted"),
)
OF_CONFIG = "config"  # what the first trial repeats
SECONDS_A_BEAT = 15
# Without a beat for so long a process on another machine is taken for dead
SECONDS_OF_SILENCE = 120


class Worker(NamedTuple):
    """A process, so that others can tell whether it is still there."""

    machine: str
    pid: int
    started: str | None  # a process of the same number may be another; None if not known

    @classmethod
    def this(cls) -> "Worker":
        """This process."""
        return cls(_machine(), os.getpid(), _started(os.getpid()))


def _machine() -> str:
    """The name of the machine, and of the container in which process numbers mean something."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """When a process was started, in Linux's own units. None if it is gone or ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf8", errors="replace")
    except OSError:
        return None
    state, *fields = status.rpartition(")")[2].split()  # the name before may hold anything
    return None if state in "ZX" else fields[18]


class Watch:
    """Tells whether the processes of running trials are still there.

    Of one on this machine the system knows. One elsewhere, or on a system without `/proc`, has to
    change its trial's beat now and then. Only this process's clock is looked at, for those of two
    machines may differ.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._me = Worker.this()
        self._seen: dict[int, Any] = {}  # the last beat of a trial, and when it was new

    def is_dead(self, trial: "FrozenTrial") -> bool:
        """Whether nobody runs a running trial."""
        given = trial.user_attrs.get(WORKER)
        worker = Worker(*given) if given else None
        if worker and worker.machine == self._me.machine and worker.started and self._me.started:
            return _started(worker.pid) != worker.started
        beat, now = trial.user_attrs.get(BEAT), self._clock()
        last, since = self._seen.setdefault(trial.number, (beat, now))
        if beat != last:
            self._seen[trial.number] = (beat, now)
            return False
        return now - since > SECONDS_OF_SILENCE


def counted(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """The trials of a search, without those that came to nothing for no fault of theirs."""
    return [
        trial
        for trial in trials
        if not (trial.user_attrs.get(SURPLUS) or trial.user_attrs.get(INTERRUPTED))
    ]


def finished(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """Those of them that are done: with a value, pruned or failed."""
    return [trial for trial in counted(trials) if trial.state.is_finished()]


class Claims:
    """Claims trials for this process.

    Args:
        study: The study.
        storage: Where it is.
        n_trials: How many there shall be. None for any number.
        first: Parameters of the first trial. None lets the sampler choose them.
    """

    def __init__(
        self,
        study: "Study",
        storage: "Storage",
        n_trials: int | None,
        first: dict[str, Any] | None = None,
    ) -> None:
        self._study, self._storage, self._n_trials, self._first = study, storage, n_trials, first
        self._watch = Watch()

    def trials(self) -> list["FrozenTrial"]:
        """All trials by now, after those of dead processes were marked."""
        from optuna.trial import TrialState

        trials = self._all()
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        dead = [trial for trial in running if self._watch.is_dead(trial)]
        for trial in dead:
            self._give_up(self._storage.trial_id(trial.number), INTERRUPTED)
        return self._all() if dead else trials

    def claim(self) -> int | None:
        """Claim a trial.

        Returns:
            Its number. None if there are enough.
        """
        while True:
            trials = self.trials()
            if self._n_trials is not None and len(counted(trials)) >= self._n_trials:
                return None
            number = self._storage.add_trial(*self._next(trials))
            if self._stands(number):
                return number
            self._give_up(self._storage.trial_id(number), SURPLUS)

    def _next(self, trials: Sequence["FrozenTrial"]) -> Any:
        """What to claim: an interrupted trial, the config's own values, or a new one."""
        repeated = {trial.user_attrs.get(REPEATS) for trial in counted_or_interrupted(trials)}
        mine: dict[str, Any] = {WORKER: list(Worker.this())}
        for trial in trials:
            if trial.user_attrs.get(INTERRUPTED) and trial.number not in repeated:
                # A sampler's own notes, such as a point of its grid, go with the parameters
                repeated_one = (trial.params, trial.distributions, trial.system_attrs)
                return {**mine, REPEATS: trial.number}, *repeated_one
        if self._first is not None and OF_CONFIG not in repeated:
            # What `Study.enqueue_trial` writes
            return {**mine, REPEATS: OF_CONFIG}, {}, {}, {"fixed_params": self._first}
        return mine, {}, {}, {}

    def _stands(self, number: int) -> bool:
        trials = self._all()
        before = [trial for trial in counted(trials) if trial.number < number]
        if self._n_trials is not None and len(before) >= self._n_trials:
            return False
        repeats = trials[number].user_attrs.get(REPEATS)
        earlier = [t for t in counted_or_interrupted(trials) if t.number < number]
        return repeats is None or all(t.user_attrs.get(REPEATS) != repeats for t in earlier)

    def _all(self) -> list["FrozenTrial"]:
        return self._study.get_trials(deepcopy=False)

    def _give_up(self, trial_id: int, why: str) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self._storage.backend.set_trial_user_attr(trial_id, why, True)
            self._storage.backend.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            pass  # another process did the same, or it was finished just now


def counted_or_interrupted(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """All but surplus trials."""
    return [trial for trial in trials if not trial.user_attrs.get(SURPLUS)]


class Heart:
    """Changes the beat of the trial that is running, from a thread.

    Args:
        storage: Where the trial is.
        trial_id: Its id there.
    """

    def __init__(self, storage: "Storage", trial_id: int) -> None:
        self._storage, self._trial_id = storage, trial_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        beats = 0
        while not self._stop.wait(SECONDS_A_BEAT):
            beats += 1
            try:
                self._storage.backend.set_trial_user_attr(self._trial_id, BEAT, beats)
            except Exception:  # no connection for a while, or the trial was given to another
                continue
