"""What the benchmarks share: files of results, which several processes add to; trainings."""

import importlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.trainings import Results, config_path, scored, summary, train
from tests.helpers import ROOT


def mean_f(runs):
    return {"f": summary([run["f"] for run in runs])}


def results_in(folder, system="ner"):
    return Results(folder / "results" / "x.json", {"system": system}, ["data", "seed"], mean_f)


def run_of(seed, data="a", f=50.0):
    return {"data": data, "seed": seed, "f": f}


def test_runs_are_added_to_those_that_are_there(tmp_path):
    results = results_in(tmp_path)
    assert results.runs() == [] and not results.starts_over()
    for run in (run_of(2, f=70.0), run_of(1, "b", f=60.0), run_of(10, f=50.0)):
        # Each by somebody else, who has not seen the others
        written = results_in(tmp_path).add(run)
    assert json.loads(results.path.read_text()) == written
    assert list(written) == ["system", "f", "runs"]
    assert written["f"] == {"mean": 60.0, "sd": 10.0}
    assert written["runs"] == [run_of(2, f=70.0), run_of(10), run_of(1, "b", f=60.0)]
    assert results.has("a", 10) and not results.has("b", 10)


def test_a_run_that_is_there_stays(tmp_path):
    results = results_in(tmp_path)
    results.add(run_of(0, f=70.0))
    assert results.add(run_of(0, f=20.0))["runs"] == [run_of(0, f=70.0)]


def test_runs_of_other_settings_make_room(tmp_path):
    results_in(tmp_path).add(run_of(0))
    results = results_in(tmp_path, "another")
    assert results.starts_over() and not results.has("a", 0)
    assert results.add(run_of(1))["runs"] == [run_of(1)]
    assert not results.starts_over()


ADD_MANY = """
import sys
from pathlib import Path
from benchmarks.trainings import Results

path, data = sys.argv[1:]
results = Results(Path(path), {"system": "ner"}, ["data", "seed"])
print("ready", flush=True)
sys.stdin.readline()
for seed in range(100):
    results.add({"data": data, "seed": seed, "f": 50.0})
"""


def test_two_processes_and_some_threads_add_to_one_file(tmp_path):
    results = results_in(tmp_path)
    command = [sys.executable, "-c", ADD_MANY, str(results.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*command, data], **pipes) for data in "ab"]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:  # all at once
        process.stdin.write("go\n")
        process.stdin.flush()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: results.add(run_of(seed, "c")), range(50)))
    while any(process.poll() is None for process in processes):
        results.runs()  # never half of a file
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    added = {"a": 100, "b": 100, "c": 50}
    assert results.runs() == [run_of(seed, data) for data, n in added.items() for seed in range(n)]
    assert {path.suffix for path in results.path.parent.iterdir()} == {".json", ".lock"}


BENCHMARKS = {
    # Keys of a run, what is said of all of them and who says it
    "accuracy": (["seed"], ["dev_f", "test_f"], "f_of_parts"),
    "calibration": (["seed"], ["methods"], "of_methods"),
    "data_size": (["dataset", "size", "seed"], [], None),
    "partial": (["seed", "percent"], ["test_f"], "f_by_share"),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_is_said_of_the_runs_follows_from_them(name, tmp_path):
    if name == "calibration":
        pytest.importorskip("matplotlib", reason="needs benchmarks/calibration/requirements.txt")
    module = importlib.import_module(f"benchmarks.{name}.run")
    key, said, function = BENCHMARKS[name]
    paths = sorted((ROOT / "benchmarks" / name / "results").glob("*.json"))
    assert paths
    for path in paths:
        before = json.loads(path.read_text())
        settings = {key: before[key] for key in before if key not in (*said, "runs")}
        summarised = {} if function is None else {"summarised": getattr(module, function)}
        results = Results(tmp_path / path.name, settings, key, **summarised)
        shutil.copy(path, results.path)
        after = results.add(before["runs"][0])
        assert list(after) == list(before)
        before["runs"].sort(key=lambda run: [run[name] for name in key])
        assert after == before == json.loads(results.path.read_text())


@pytest.mark.slow
def test_a_training_comes_to_a_model_its_evaluations_and_its_time(corpus, tmp_path):
    for part in ("dev", "test"):
        (tmp_path / part).mkdir()
        shutil.copy(corpus, tmp_path / part)
    config = config_path("bilstm_crf", tmp_path)
    settings = {
        "components.ner.model.hidden_width": 32,
        "training.optimizer.learn_rate": 0.01,
        "training.max_steps": 60,
        "training.eval_frequency": 20,
    }
    paths = {"train": corpus, "dev": tmp_path / "dev"}
    trained = train(config, paths, 0, settings, tmp_path / "out")
    assert [entry["step"] for entry in trained.evaluations] == [0, 20, 40, 60]
    assert trained.evaluations[-1]["score"] == 1.0
    assert trained.cpu_seconds > 0.5
    scores = scored(trained.model, tmp_path)
    assert scores == {f"{part}_{key}": 100.0 for part in ("dev", "test") for key in "prf"}
    # No entity is certain, so none is left
    assert scored(trained.model, tmp_path, threshold=1.0)["dev_r"] == 0.0


@pytest.mark.slow
def test_a_training_that_fails_says_what_it_printed(tmp_path):
    paths = {"train": tmp_path / "nowhere", "dev": tmp_path / "nowhere"}
    config = config_path(None, tmp_path)
    assert "[training.optimizer]" in config.read_text()
    with pytest.raises(SystemExit, match="no proper sample data"):
        train(config, paths, 0, {"paths.vectors": "null"}, tmp_path / "out")
