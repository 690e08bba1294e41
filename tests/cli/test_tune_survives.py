"""A search that is killed, and one that several processes share."""

import contextlib
import json
import random
import sqlite3
import time
from collections import Counter

import pytest

from tests import postgres
from tests.cli.tuning import SPACE, start_tune, trials_in

optuna = pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

SECONDS = 400
# Dead processes are taken for dead sooner
IMPATIENT = """
from spacy_bilstm_crf.workflows.tuning import study

study.SECONDS_A_BEAT, study.GRACE_SECONDS = 1, 5
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.cfg"
    path.write_text(SPACE)
    return path


def kill(process):
    """With signal 9, which can't be caught."""
    process.kill()
    process.communicate()


def finish(*processes):
    try:
        for process in processes:
            printed, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, printed
    finally:
        for process in processes:
            process.kill()


def begun_trials(output):
    """How many trials the folder's database has that are not waiting."""
    with contextlib.closing(sqlite3.connect(output / "search.db", timeout=60)) as database:
        query = "select count(*) from trials where state != 'WAITING'"
        try:
            return database.execute(query).fetchone()[0]
        except sqlite3.OperationalError:  # there are no tables yet
            return 0


def all_trials(output, url=None):
    """All trials of the storage, those too that came to nothing."""
    storage = url or f"sqlite:///{output / 'search.db'}"
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage).trials


def check_each_once(output, n_trials, trials, surplus=0):
    """The asked number is finished, and each interrupted one was tried again as it was."""
    done = trials_in(output)
    assert n_trials <= len(done) <= n_trials + surplus
    assert all(trial["state"] == "complete" for trial in done)
    gone = [trial for trial in trials if trial.state == optuna.trial.TrialState.FAIL]
    assert len(done) + len(gone) == len(trials)
    again = {
        number: trial
        for trial in trials
        for number in optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history(trial)
    }
    for trial in gone:
        assert trial.params.items() <= again[trial.number].params.items()
    params = Counter(json.dumps(trial["params"]) for trial in done)
    assert set(params.values()) == {1}
    best = max(trial["value"] for trial in done)
    made = json.loads((output / "model-best" / "tune.json").read_text())
    assert made["value"] == best
    return gone


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_killed_at_any_moment_it_goes_on(space, paths, tmp_path):
    rng = random.Random(0)
    code = tmp_path / "impatient.py"
    code.write_text(IMPATIENT)
    n_trials, output = 5, tmp_path / "search"
    arguments = (space, output, paths, f"--n-trials={n_trials}", f"--code={code}")
    finished = []
    for _ in range(2):
        begun = begun_trials(output) if output.exists() else 0
        process = start_tune(*arguments)
        until = time.monotonic() + SECONDS
        # From its first trial on, at a moment that nobody chose
        while process.poll() is None and not (
            (output / "search.db").exists() and begun_trials(output) > begun
        ):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.5))
        kill(process)
        now = [trial for trial in all_trials(output) if trial.value is not None]
        assert {trial.number for trial in finished} <= {trial.number for trial in now}
        finished = now
    finish(start_tune(*arguments))
    gone = check_each_once(output, n_trials, all_trials(output))
    assert gone  # some moment was in a trial
    kept = {trial["number"]: trial["value"] for trial in trials_in(output)}
    assert all(kept[trial.number] == trial.value for trial in finished)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield None
        return
    pytest.importorskip("psycopg")
    if postgres.binaries() is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    with postgres.server(tmp_path / "server") as found:
        yield found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_two_processes_share_a_search(url, space, paths, tmp_path):
    output = [tmp_path / "one", tmp_path / "one" if url is None else tmp_path / "two"]
    more = ["--n-trials=6", *([f"--storage={url}"] if url else [])]
    finish(*[start_tune(space, folder, paths, *more) for folder in output])
    for folder in output:
        trials = all_trials(folder, url)
        assert not check_each_once(folder, 6, trials, surplus=1)
    # Which of them came first is chance, but neither had nothing to do
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_jobs_are_processes_of_one_search(space, paths, tmp_path):
    finish(start_tune(space, tmp_path, paths, "--n-trials=4", "--jobs=2"))
    trials = all_trials(tmp_path)
    check_each_once(tmp_path, 4, trials, surplus=1)
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2
