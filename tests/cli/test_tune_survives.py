"""A search that is killed, and one that several processes share."""

import json
import random
import time
from collections import Counter

import pytest

from tests import postgres
from tests.cli.tuning import SPACE, start_tune, trials_in

optuna = pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

SECONDS = 120


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
    for process in processes:
        printed, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, printed


def all_trials(output, url=None):
    """All trials of the storage, those too that came to nothing."""
    backend = url
    if url is None:
        file = optuna.storages.journal.JournalFileBackend(str(output / "journal.log"))
        backend = optuna.storages.JournalStorage(file)
    (summary,) = optuna.get_all_study_summaries(backend)
    return optuna.load_study(study_name=summary.study_name, storage=backend).trials


def check_each_once(output, n_trials, trials):
    """The asked number is finished, and each interrupted one was tried again as it was."""
    done = trials_in(output)
    assert len(done) == n_trials
    assert all(trial["state"] == "complete" for trial in done)
    gone = [trial for trial in trials if trial.user_attrs.get("interrupted")]
    surplus = [trial for trial in trials if trial.user_attrs.get("surplus")]
    assert len(done) + len(gone) + len(surplus) == len(trials)
    again = {trial.user_attrs.get("repeats"): trial for trial in trials if trial not in surplus}
    for trial in gone:
        assert trial.params.items() <= again[trial.number].params.items()
    params = Counter(json.dumps(trial["params"]) for trial in done)
    assert set(params.values()) == {1}
    best = max(trial["value"] for trial in done)
    made = json.loads((output / "model-best" / "tune.json").read_text())
    assert made["value"] == best
    return gone


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(space, paths, tmp_path):
    rng = random.Random(0)
    journal = tmp_path / "journal.log"
    n_trials = 5
    for _ in range(2):
        size = journal.stat().st_size if journal.exists() else 0
        process = start_tune(space, tmp_path, paths, f"--n-trials={n_trials}")
        until = time.monotonic() + SECONDS
        # From its first trial on, at a moment that nobody chose
        while process.poll() is None and (not journal.exists() or journal.stat().st_size == size):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.5))
        kill(process)
    finish(start_tune(space, tmp_path, paths, f"--n-trials={n_trials}"))
    gone = check_each_once(tmp_path, n_trials, all_trials(tmp_path))
    assert gone  # some moment was in a trial


@pytest.fixture(params=["journal", "postgresql"])
def url(request, tmp_path):
    if request.param == "journal":
        yield None
        return
    pytest.importorskip("psycopg")
    if postgres.binaries() is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    with postgres.server(tmp_path / "server") as found:
        yield found


@pytest.mark.slow
def test_two_processes_do_every_trial_once(url, space, paths, tmp_path):
    output = [tmp_path / "one", tmp_path / "one" if url is None else tmp_path / "two"]
    more = ["--n-trials=6", *([f"--storage={url}"] if url else [])]
    finish(*[start_tune(space, folder, paths, *more) for folder in output])
    for folder in output:
        trials = all_trials(folder, url)
        assert not check_each_once(folder, 6, trials)
    # Which of them came first is chance, but neither had nothing to do
    assert len({trial.user_attrs["worker"][1] for trial in trials}) == 2


@pytest.mark.slow
def test_jobs_are_processes_of_one_search(space, paths, tmp_path):
    finish(start_tune(space, tmp_path, paths, "--n-trials=4", "--jobs=2"))
    trials = all_trials(tmp_path)
    check_each_once(tmp_path, 4, trials)
    assert len({trial.user_attrs["worker"][1] for trial in trials}) == 2
