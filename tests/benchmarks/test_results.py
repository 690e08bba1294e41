"""Files of results, which several processes add to."""

import importlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.harness.paths import results_of
from benchmarks.harness.results import Results, processor, read, summary, write
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
from benchmarks.harness.results import Results

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


def test_missing_runs_are_made_and_recorded(tmp_path):
    results = results_in(tmp_path)
    results.add(run_of(1, f=70.0))
    made = []

    def run(data, seed):
        made.append((data, seed))
        return {"f": 50.0}

    results.fill([("a", 0), ("a", 1), ("b", 0)], run, jobs=2)
    assert sorted(made) == [("a", 0), ("b", 0)]
    new = {"processor": processor(), "f": 50.0}
    assert results.runs() == [
        {"data": "a", "seed": 0, **new},
        run_of(1, f=70.0),
        {"data": "b", "seed": 0, **new},
    ]


def test_options_without_a_run_are_an_error(tmp_path):
    with pytest.raises(SystemExit, match=r"x\.json has no run of these options"):
        results_in(tmp_path).fill([], lambda data, seed: {"f": 50.0})


def test_another_folder_for_results(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_RESULTS", str(tmp_path))
    write(results_of("audit") / "wnut17.json", {"dataset": "x"})
    assert json.loads((tmp_path / "audit" / "results" / "wnut17.json").read_text()) == {
        "dataset": "x"
    }
    assert read("audit", "wnut17")["dataset"] == "wnut17"  # tables are of the repository's


STUDIES = {
    # Keys of a run, what follows from all of them and who says it
    "accuracy": (["seed"], ["dev_f", "test_f"], "f_of_parts"),
    "audit": (["seed"], ["ours", "cleanlab"], "summaries"),
    "calibration": (["seed"], ["methods"], "of_methods"),
    "data_size": (["dataset", "size", "seed"], [], None),
    "distill": (["seed", "what"], ["summary"], "summaries"),
    "drop_in": (["dataset", "size", "seed"], [], None),
    "documents": (["system", "trained", "seed", "predicted"], ["summary"], "summaries"),
    "merging": (["seed", "what"], ["summary"], "summaries"),
    "partial": (["seed", "percent"], ["test_f"], "f_by_share"),
    "pretraining": (["share", "begun", "seed"], ["summary"], "summaries"),
    "selection": (["seed", "strategy", "share"], ["summary"], "summaries"),
    "softmax_margin": (["seed", "cost"], ["summary"], "summaries"),
    "thresholds": (["seed"], ["summary"], "summaries"),
    "tune": (["dataset", "system", "seed"], ["summary"], "summaries"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_said_of_the_runs_follows_from_them(name, tmp_path):
    module = importlib.import_module(f"benchmarks.{name}")
    key, said, function = STUDIES[name]
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
