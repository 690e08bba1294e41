"""Who runs which trial: dead processes, lost trials, several at once, a folder's own search."""

import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from thinc.api import Config

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows.tuning import search, study, trial
from spacy_bilstm_crf.workflows.tuning.space import Space
from spacy_bilstm_crf.workflows.tuning.study import (
    SearchJob,
    begin_search,
    counted_trials,
    finished_trials,
    open_study,
)

optuna = pytest.importorskip("optuna")
pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed to be used"),
]

CONFIG = Config({"training": {"seed": 0, "dropout": 0.25}})
X = {"path": "training.dropout", "type": "float", "low": 0.0, "high": 1.0}
RANDOM = {"sampler": {"name": "RandomSampler"}}


def space(**search_settings):
    return Space.model_validate({"search": search_settings or RANDOM, "parameters": {"x": X}})


@pytest.fixture
def output():
    """A folder in memory, if there is one: a database on a disk waits for it at each write."""
    memory = "/dev/shm"
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def job(output, monkeypatch):
    """A search of which each training scores its dropout, at once."""
    scored(monkeypatch, lambda config: config["training"]["dropout"])
    return SearchJob(CONFIG, space(), output, n_trials=2)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(study, "SECONDS_A_BEAT", 1)
    monkeypatch.setattr(study, "GRACE_SECONDS", 1)


def scored(monkeypatch, score):
    def training(config, use_gpu, report=None):
        report(0, score(config))
        return trial.BestEvaluation(score(config), 0, {})

    monkeypatch.setattr(trial, "train_once", training)


def run(job, jobs=1):
    opened = open_study(job)
    search.run_search(job, opened, jobs, lambda: None)
    return opened


def numbers(trials):
    return [each.number for each in trials]


def abandon(job):
    """Leave a trial as a process does that is killed."""
    opened = open_study(job)
    running = opened.ask()
    x = running.suggest_float("x", 0.0, 1.0)
    opened._storage.record_heartbeat(running._trial_id)
    return x


def test_there_are_as_many_trials_as_asked_for_and_the_first_is_the_config(job):
    assert [each.params["x"] == 0.25 for each in run(job).trials] == [True, False]
    assert len(run(job).trials) == 2
    longer = run(job._replace(n_trials=3)).trials
    assert len(longer) == 3 and len({each.params["x"] for each in longer}) == 3


def test_a_config_outside_of_the_space_is_not_tried(job):
    outside = job._replace(config=CONFIG.merge({"training": {"dropout": 2.0}}))
    assert all(each.params["x"] <= 1.0 for each in run(outside).trials)


def test_of_two_folders_that_share_a_database_one_adds_the_config(job, output, monkeypatch):
    shared = job._replace(storage=f"sqlite:///{output}/shared.db", output=output / "one")
    other = shared._replace(output=output / "two")
    added, enqueue = [], optuna.Study.enqueue_trial

    def while_another_opens_it(opened, params, **arguments):
        added.append(params)
        if len(added) == 1:
            open_study(other)  # and sees no trial yet
        enqueue(opened, params, **arguments)

    for each in (shared, other):
        begin_search(each)
    monkeypatch.setattr(optuna.Study, "enqueue_trial", while_another_opens_it)
    opened = open_study(shared)
    assert added == [{"x": 0.25}]
    assert [each.params["x"] == 0.25 for each in run(other).trials] == [True, False]
    assert len(opened.trials) == 2


def test_the_trial_of_a_dead_process_is_repeated_with_its_parameters(job, impatient):
    run(job)
    x = abandon(job._replace(n_trials=3))
    opened = run(job._replace(n_trials=3))
    assert numbers(finished_trials(opened)) == [0, 1, 3]
    assert opened.trials[2].state == optuna.trial.TrialState.FAIL
    assert opened.trials[3].params["x"] == x == opened.trials[3].value


def test_one_that_died_again_and_again_is_repeated_once(job, impatient):
    longer = job._replace(n_trials=4)
    run(job)
    first = abandon(longer)
    for _ in range(2):
        time.sleep(2.5)
        opened = open_study(longer)
        optuna.storages.fail_stale_trials(opened)
        assert abandon(longer) == first
    opened = run(longer)
    assert numbers(finished_trials(opened)) == [0, 1, *numbers(opened.trials)[-2:]]
    assert [each.params["x"] for each in finished_trials(opened)].count(first) == 1


def test_a_process_that_was_silent_for_too_long_goes_on_with_other_trials(job, monkeypatch):
    opened, lost = open_study(job), []

    def score(config):
        if not lost:
            lost.append(0)
            opened._storage.set_trial_state_values(
                opened.trials[0]._trial_id, optuna.trial.TrialState.FAIL
            )
        return 0.5

    scored(monkeypatch, score)
    search.run_search(job, opened, 1, lambda: None)
    assert numbers(finished_trials(opened)) == [1, 2]


def test_a_trial_that_was_stopped_by_ctrl_c_is_tried_again(job, monkeypatch):
    def score(config):
        raise KeyboardInterrupt

    scored(monkeypatch, score)
    with pytest.raises(KeyboardInterrupt):
        run(job)
    scored(monkeypatch, lambda config: 0.5)
    opened = run(job)
    assert numbers(counted_trials(opened)) == [1, 2]
    assert opened.trials[1].params == opened.trials[0].params == {"x": 0.25}


def test_several_at_once_are_one_too_many_each_at_most(job):
    longer = job._replace(n_trials=8)
    run(longer._replace(n_trials=1))
    workers = [threading.Thread(target=run, args=[longer]) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = finished_trials(open_study(longer))
    assert 8 <= len(done) <= 10
    assert len({each.params["x"] for each in done}) == len(done)


def test_a_grid_that_is_done_stays_done(job):
    sampler = {"name": "GridSampler", "search_space": {"x": [0.0, 0.5, 1.0]}}
    grid = job._replace(space=space(sampler=sampler), n_trials=9)
    for _ in range(2):
        values = sorted(each.value for each in finished_trials(run(grid)))
        assert values == [0.0, 0.5, 1.0]


def test_the_same_failure_again_and_again_ends_the_search(job, monkeypatch):
    def score(config):
        raise KeyError("no such layer")

    scored(monkeypatch, score)
    longer = job._replace(n_trials=9)
    with pytest.raises(UserError, match="3 trials in a row failed: KeyError: 'no such layer'"):
        run(longer)
    assert len(open_study(longer).trials) == 3


def test_a_folder_says_what_its_search_is(job, output):
    begin_search(job)
    begin_search(job)
    other = job._replace(config=CONFIG.merge({"training": {"seed": 1}}))
    with pytest.raises(UserError, match=r"another config \(where training.seed is different\)"):
        begin_search(other)
    file = output / "search.json"
    with pytest.raises(UserError, match="can't be created"):
        begin_search(job._replace(output=file))
    for damaged in ("{", "[1]", "1", '{"seeds": 1, "config": {"a": ' * 2000, "\x00"):
        file.write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            begin_search(job)
    file.unlink()
    file.mkdir()
    with pytest.raises(UserError, match="damaged"):
        begin_search(job)


@pytest.mark.parametrize("name", ["journal.log", "search.journal"])
def test_the_journal_of_an_earlier_version_is_refused(job, output, name):
    (output / name).write_text('{"op_code": 0}\n')
    with pytest.raises(UserError, match="holds the journal of an earlier version") as caught:
        begin_search(job)
    assert "\n" not in str(caught.value)
    assert not (output / "search.json").exists()


@pytest.mark.parametrize("url", ["redis://localhost", "rediss://localhost", "journal.log"])
def test_a_journal_as_storage_is_refused(job, url):
    with pytest.raises(UserError, match="is a journal, which is no longer supported"):
        begin_search(job._replace(storage=url))


def test_a_damaged_database_is_said_in_one_line(job, output):
    (output / "search.db").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"search\.db can't be opened: .*not a database"):
        open_study(job)


def test_locks_that_a_killed_process_left_are_free(job, output):
    (output / ".open.lock").write_text("")
    start = time.monotonic()
    open_study(job)
    assert time.monotonic() - start < 30


def test_a_folder_may_have_any_name(job, output):
    (output / "{a} b#").mkdir()
    opened = run(job._replace(output=output / "{a} b#"))
    assert len(opened.trials) == 2
    assert (output / "{a} b#" / "search.db").is_file()
