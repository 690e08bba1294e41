"""Who runs which trial: dead processes, other machines, two that claim at once."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows.tuning.claims import (
    SECONDS_OF_SILENCE,
    Claims,
    Heart,
    Watch,
    Worker,
    counted,
)
from spacy_bilstm_crf.workflows.tuning.locks import FileLock, held
from spacy_bilstm_crf.workflows.tuning.storage import Search, begin, open_study

optuna = pytest.importorskip("optuna")

SEARCH = Search("[training]\nseed = 0\n", "", 1)
X = optuna.distributions.FloatDistribution(0.0, 1.0)


@pytest.fixture
def opened(tmp_path):
    return open_study(tmp_path, None, SEARCH, None)


def dead_worker():
    """A process that has ended."""
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    worker = [Worker.this().machine, process.pid, "1"]
    process.join()
    return worker


def add(storage, worker, params):
    return storage.add_trial({"worker": worker}, params, dict.fromkeys(params, X), {})


def tell(study, number, value=0.5):
    study.tell(number, value)


def test_trials_are_claimed_until_there_are_enough(opened):
    study, storage = opened
    claims = Claims(study, storage, 2, {"x": 0.25})
    assert [claims.claim(), claims.claim(), claims.claim()] == [0, 1, None]
    first, second = (optuna.Trial(study, storage.trial_id(number)) for number in (0, 1))
    assert first.suggest_float("x", 0.0, 1.0) == 0.25
    assert second.suggest_float("x", 0.0, 1.0) != 0.25
    assert Claims(study, storage, 3, {"x": 0.25}).claim() == 2  # the config's own values are taken
    assert "x" not in study.trials[2].params


def test_the_trial_of_a_dead_process_is_repeated_with_its_parameters(opened):
    study, storage = opened
    worker = dead_worker()
    add(storage, worker, {"x": 0.125})
    claims = Claims(study, storage, 1)
    assert claims.claim() == 1
    trial = optuna.Trial(study, storage.trial_id(1))
    assert trial.suggest_float("x", 0.0, 1.0) == 0.125
    tell(study, 1)
    assert claims.claim() is None
    assert [trial.number for trial in counted(study.trials)] == [1]
    assert study.trials[0].state == optuna.trial.TrialState.FAIL


def test_one_that_died_again_and_again_is_repeated_once(opened):
    study, storage = opened
    worker = dead_worker()
    add(storage, worker, {"x": 0.125})
    claims = Claims(study, storage, 2)
    for number in (1, 2):
        assert claims.claim() == number
        # As if the process that claimed it were gone
        storage.backend.set_trial_user_attr(storage.trial_id(number), "worker", worker)
    assert claims.claim() == 3
    assert [trial.user_attrs.get("repeats") for trial in study.trials] == [None, 0, 1, 2]
    assert {trial.params["x"] for trial in study.trials} == {0.125}
    assert claims.claim() == 4
    assert claims.claim() is None


def test_of_two_that_claim_the_same_the_first_has_it(opened, monkeypatch):
    study, storage = opened
    add(storage, dead_worker(), {"x": 0.125})
    claims, other = (Claims(study, storage, 1) for _ in range(2))
    looked = claims._next

    def slow(trials):
        found = looked(trials)
        monkeypatch.setattr(claims, "_next", looked)
        assert other.claim() == 1  # another process is faster
        return found

    monkeypatch.setattr(claims, "_next", slow)
    assert claims.claim() is None
    assert [trial.number for trial in counted(study.trials)] == [1]
    assert study.trials[2].user_attrs["surplus"]


def test_a_process_elsewhere_is_alive_as_long_as_its_beat_changes(opened):
    study, storage = opened
    now = 0.0
    watch = Watch(clock=lambda: now)
    number = add(storage, ["elsewhere", 1, "1"], {})

    def is_dead():
        return watch.is_dead(study.trials[number])

    assert not is_dead()
    for beat in range(3):
        now += SECONDS_OF_SILENCE - 1
        storage.backend.set_trial_user_attr(storage.trial_id(number), "beat", beat)
        assert not is_dead()
    now += SECONDS_OF_SILENCE - 1
    assert not is_dead()
    now += 2
    assert is_dead()


def test_of_processes_here_the_system_knows(opened):
    study, storage = opened
    watch = Watch()
    me = Worker.this()
    for worker, dead in (
        (me, False),
        (me._replace(started="1"), True),  # its number was given to another
        (dead_worker(), True),
    ):
        number = add(storage, list(worker), {})
        assert watch.is_dead(study.trials[number]) == dead
    assert me.pid == os.getpid()


def test_the_heart_beats_while_a_trial_runs(opened, monkeypatch):
    study, storage = opened
    monkeypatch.setattr("spacy_bilstm_crf.workflows.tuning.claims.SECONDS_A_BEAT", 0.01)
    number = add(storage, list(Worker.this()), {})
    with Heart(storage, storage.trial_id(number)):
        until = time.monotonic() + 30
        while study.trials[number].user_attrs.get("beat", 0) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    stopped = study.trials[number].user_attrs["beat"]
    assert stopped >= 2
    assert study.trials[number].user_attrs["beat"] == stopped


def test_a_line_that_was_not_written_to_its_end_is_cut_off(opened, tmp_path):
    _, storage = opened
    add(storage, list(Worker.this()), {"x": 0.5})
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code":8,"worker')
    _, storage = open_study(tmp_path, None, SEARCH, None)
    add(storage, list(Worker.this()), {"x": 0.25})
    again, _ = open_study(tmp_path, None, SEARCH, None)
    assert [trial.params["x"] for trial in again.trials] == [0.5, 0.25]


def test_a_folder_says_what_its_search_is(tmp_path):
    begin(tmp_path, SEARCH)
    begin(tmp_path, SEARCH)
    with pytest.raises(UserError, match=r"another config \(where training.seed is different\)"):
        begin(tmp_path, SEARCH._replace(config="[training]\nseed = 1\n"))
    with pytest.raises(UserError, match="can't be made a folder"):
        begin(tmp_path / "search.json", SEARCH)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        begin(tmp_path, SEARCH)


def hold_and_die(path, has_it):
    FileLock(path).acquire()
    has_it.set()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_lock_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    has_it = context.Event()
    process = context.Process(target=hold_and_die, args=(tmp_path / "lock", has_it))
    process.start()
    assert has_it.wait(60)
    start = time.monotonic()
    with held(FileLock(tmp_path / "lock")):
        assert time.monotonic() - start < 10  # Optuna's own would have to be waited for
    process.join()


def test_a_lock_keeps_others_out(tmp_path):
    first, second = (FileLock(tmp_path / "lock") for _ in range(2))
    first.acquire()
    order = []
    waiting = threading.Thread(target=lambda: (second.acquire(), order.append("second")))
    waiting.start()
    time.sleep(0.1)
    order.append("first")
    first.release()
    waiting.join()
    assert order == ["first", "second"]
