"""`annotate`: three engines, runs that are killed, and what is refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import srsly

from tests.approx import alike
from tests.cli import forked
from tests.helpers import ROOT, spacy_command, trained_nlp
from tests.inference.batch import data
from tests.inference.batch.data import ruler_pipeline, text_of, write_rows
from tests.systems import ENGINES, FORKS, LINUX

CODE = Path(data.__file__)


def annotate(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "annotate", *arguments, exit_codes=exit_codes)


def command(*arguments):
    return [sys.executable, "-m", "spacy", "bilstm-crf", "annotate", *map(str, arguments)]


def started(log, workers, *arguments):
    return forked.start(["bilstm-crf", "annotate", *arguments], log, workers)


def rows_of(folder):
    return pq.read_table(folder).to_pylist()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "model"
    trained_nlp().to_disk(path)
    return path


def test_it_goes_on_and_says_what_there_is(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path, output = write_rows(tmp_path / "in.jsonl", 25), tmp_path / "out"
    said = annotate(pipeline, path, output, "--rows", 10)
    assert "25 rows in 3 files" in " ".join(said.split())
    rows = rows_of(output)
    assert [row["id"] for row in rows] == [f"row-{i}" for i in range(25)]
    assert [row["entities"][0]["text"] for row in rows[:3]] == data.CITIES
    files = sorted(output.glob("part-*"))
    before = [file.stat().st_mtime_ns for file in files]
    files[1].unlink()
    said = annotate(pipeline, path, output, "--rows", 10)
    assert "15 of 25 rows were annotated by an earlier run" in said
    after = [file.stat().st_mtime_ns for file in files]
    assert (before[0], before[2]) == (after[0], after[2]) and before[1] != after[1]
    assert rows_of(output) == rows


def test_rows_that_fail_are_counted(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model", "test_stumbles")
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "in Rome"}\n{"text": "stumble"}\n{\n')
    said = annotate(pipeline, path, tmp_path / "out", "--code", CODE)
    said = " ".join(said.split())
    assert "2 rows could not be annotated. The first: RuntimeError: no such thing." in said
    assert "correct these rows and annotate them again" in said
    assert [row["error"] is None for row in rows_of(tmp_path / "out")] == [True, False, False]


def test_texts_and_other_columns_are_kept(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    lines = [
        '{"id": 7, "text": "in Rome", "year": 1833, "entities": [[3, 7, "X"]], "tags": ["a"]}',
        '{"id": 8, "text": null, "year": null}',
    ]
    path, output = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_text("\n".join(lines))
    said = annotate(pipeline, path, output, "--rows", 1)
    assert "The input's column 'entities' is kept as 'input_entities'" in " ".join(said.split())
    first, second = rows_of(output)
    assert list(first) == [
        *("id", "text", "year", "input_entities", "tags", "entities", "n_tokens", "error")
    ]
    assert (first["text"], first["year"], first["tags"]) == ("in Rome", 1833, '["a"]')
    assert first["entities"][0]["text"] == "Rome"
    assert (second["id"], second["text"], second["year"]) == ("8", None, None)
    # What was annotated is input as well
    annotate(pipeline, output, tmp_path / "again", "--rows", 1)
    again = rows_of(tmp_path / "again")[0]
    assert again["input_input_entities"] == first["entities"]
    assert again["input_entities"] == first["input_entities"]
    said = annotate(pipeline, path, output, "--no-columns", exit_codes=(1,))
    assert "with other settings" in said
    annotate(pipeline, path, tmp_path / "bare", "--no-columns")
    assert list(rows_of(tmp_path / "bare")[0]) == ["id", "entities", "n_tokens", "error"]


def test_json_lines_have_the_same_rows_and_go_on(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path, output = write_rows(tmp_path / "in.jsonl", 25), tmp_path / "out"
    with path.open("a") as file:
        file.write('{"id": "é", "text": 1, "year": 1833}\n')
    annotate(pipeline, path, tmp_path / "parquet", "--rows", 10)
    options = ("--rows", 10, "--to", "jsonl")
    said = annotate(pipeline, path, output, *options)
    assert "1 rows could not be annotated" in said and "26 rows in 3 files" in " ".join(
        said.split()
    )

    def rows():
        return [row for file in sorted(output.glob("part-*")) for row in srsly.read_jsonl(file)]

    assert rows() == rows_of(tmp_path / "parquet")
    first, second, _ = sorted(output.glob("part-*.jsonl"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-5])
    assert "6 of 26 rows were annotated" in annotate(pipeline, path, output, *options)
    assert rows() == rows_of(tmp_path / "parquet")
    assert "with other settings" in annotate(pipeline, path, output, exit_codes=(1,))
    annotate(pipeline, path, output, "--force")
    assert not list(output.glob("*.jsonl")) and len(rows_of(output)) == 26
    # A folder of results is input as well
    annotate(pipeline, path, tmp_path / "lines", *options)
    annotate(pipeline, tmp_path / "lines", tmp_path / "again")
    assert rows_of(tmp_path / "again")[0]["text"] == rows_of(output)[0]["text"]


def test_a_run_in_which_no_row_is_good_fails(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": 1}\n{\n')
    said = annotate(pipeline, path, tmp_path / "out", exit_codes=(1,))
    assert (
        "Error: None of 2 rows could be annotated. The first reason: The text is not a st" in said
    )
    assert len(rows_of(tmp_path / "out")) == 2


def test_what_another_run_has_found_is_no_input(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    (tmp_path / "texts").mkdir()
    write_rows(tmp_path / "texts" / "a.jsonl", 3)
    annotate(pipeline, tmp_path / "texts", tmp_path / "texts" / "one")
    said = annotate(pipeline, tmp_path / "texts", tmp_path / "texts" / "two", exit_codes=(1,))
    assert "part-000000.parquet was written by another run of annotate" in said
    annotate(pipeline, tmp_path / "texts" / "one", tmp_path / "texts" / "two")
    assert len(rows_of(tmp_path / "texts" / "two")) == 3


def test_json_lines_have_no_numbers_that_json_has_not(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    values = {
        "text": ["a", "b"],
        "x": [float("nan"), 0.5],
        "y": [[1.0, float("-inf")], []],
        "when": pa.array([2**50, 0], pa.timestamp("ms")),
    }
    pq.write_table(pa.table(values), tmp_path / "in.parquet")
    annotate(pipeline, tmp_path / "in.parquet", tmp_path / "out", "--to", "jsonl")

    def no(constant):
        raise AssertionError(constant)

    text = (tmp_path / "out" / "part-000000.jsonl").read_text()
    first, second = [json.loads(line, parse_constant=no) for line in text.splitlines()]
    assert (first["x"], first["y"], second["x"]) == (None, [1.0, None], 0.5)
    assert str(2**50) in first["when"] and second["when"].startswith("1970-01-01")


@pytest.mark.parametrize("pattern", ["texts", "texts/**/*"])
def test_output_in_the_folder_of_the_input_is_no_input(pattern, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    (tmp_path / "texts").mkdir()
    write_rows(tmp_path / "texts" / "a.jsonl", 15)
    output = tmp_path / "texts" / "out"
    annotate(pipeline, tmp_path / pattern, output, "--rows", 10)
    (output / "part-000001.parquet").unlink()
    said = annotate(pipeline, tmp_path / pattern, output, "--rows", 10)
    assert "10 of 15 rows were annotated by an earlier run" in said
    annotate(pipeline, tmp_path / pattern, output, "--rows", 10, "--force")
    assert [row["id"] for row in rows_of(output)] == [f"row-{i}" for i in range(15)]


def test_samples(model, tmp_path):
    path, output = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_text(
        '{"id": 1, "text": "I like London."}\n{"id": 2, "text": "Who is Shaka Khan?"}\n'
    )
    annotate(model, path, output, "--samples", 5, "--seed", 7)
    first, second = rows_of(output)
    assert list(first) == ["id", "text", "entities", "n_tokens", "error", "samples"]
    for row in (first, second):  # which the pipeline knows by heart
        plain = [{k: v for k, v in e.items() if k != "confidence"} for e in row["entities"]]
        assert len(row["samples"]) == 5 and plain in row["samples"]
    # What was written is read by `convert`, and is input as well
    options = ("--from", "hugging-face", "--lang", "en")
    spacy_command("bilstm-crf", "convert", output, tmp_path / "docs", *options)
    annotate(model, output, tmp_path / "again", "--samples", 5, "--seed", 7)
    again = rows_of(tmp_path / "again")[1]
    assert (again["input_samples"], again["samples"]) == (second["samples"], second["samples"])
    rules = ruler_pipeline(tmp_path / "rules")
    said = annotate(rules, path, tmp_path / "none", "--samples", 5, exit_codes=(1,))
    assert "samples need exactly one bilstm_crf_ner or bilstm_crf_spans" in " ".join(said.split())
    said = annotate(model, path, tmp_path / "none", "--samples", 0, exit_codes=(1,))
    assert "--samples" in said and not (tmp_path / "none").exists()


def test_candidates_and_columns(model, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("nr,body\n7,I like London and Berlin.\n")
    options = ("--id-column", "nr", "--text-column", "body", "--candidates", 0.000001)
    annotate(model, path, tmp_path / "out", *options)
    (row,) = rows_of(tmp_path / "out")
    assert row["id"] == "7"
    found = {(e["start"], e["end"], e["label"]) for e in row["entities"]}
    assert found <= {(e["start"], e["end"], e["label"]) for e in row["candidates"]}
    assert len(row["candidates"]) > len(found)


@pytest.fixture(scope="module")
def rows_of_one_process(model, tmp_path_factory):
    """A file of texts, and its rows as this process annotates them."""
    folder = tmp_path_factory.mktemp("expected")
    path = write_rows(folder / "in.jsonl", 60)
    with path.open("a") as file:
        file.write('{"text": null}\n{\n')
    annotate(model, path, folder / "out", "--rows", 10)
    return path, rows_of(folder / "out")


@pytest.mark.slow  # each engine starts processes that load the pipeline
@pytest.mark.parametrize("engine", ENGINES.values())
def test_all_engines_give_the_same_rows(engine, model, rows_of_one_process, tmp_path):
    path, expected = rows_of_one_process
    output = tmp_path / "out"
    arguments = command(model, path, output, "--rows", 10, "--engine", engine, "--jobs", 2)
    subprocess.run(arguments, check=True, timeout=500, cwd=ROOT)
    assert rows_of(output) == alike(expected)
    assert not list(output.glob(".*"))


REFUSES = """
from tests.inference.batch.data import in_worker
if in_worker():
    raise RuntimeError("no licence")
"""


def failed(engine, *arguments):
    """The last line of a run that fails in its workers."""
    options = ("--rows", 10, "--jobs", 2, "--engine", engine)
    # Where Ray and Spark find this package's tests
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
    kept = {"capture_output": True, "text": True, "cwd": ROOT, "env": env}
    run = subprocess.run(command(*arguments, *options), timeout=500, **kept)
    assert run.returncode == 1
    return run.stderr.replace("\r", "\n").strip().split("\n")[-1]


@pytest.mark.slow  # each engine starts processes that load the pipeline
@pytest.mark.parametrize("engine", ENGINES.values())
def test_what_fails_in_a_worker_is_told_in_one_line(engine, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path, code = write_rows(tmp_path / "in.jsonl", 60), tmp_path / "code.py"
    code.write_text(REFUSES)
    last = failed(engine, pipeline, path, tmp_path / "out", "--code", code)
    assert re.fullmatch(
        r"Error: Part \d failed on .*: --code .*code.py can't be run: RuntimeError: no licence",
        last,
    )


@pytest.mark.slow  # each engine starts processes that load the pipeline
@pytest.mark.parametrize(
    "engine", [ENGINES["local"], ENGINES["spark"]]
)  # Ray starts another worker, for ever
def test_workers_that_die_are_told_in_one_line(engine, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model", "test_dies")
    path = write_rows(tmp_path / "in.jsonl", 60)
    last = failed(engine, pipeline, path, tmp_path / "out", "--code", CODE)
    assert last.startswith("Error: A worker was killed")


def parts(output):
    return sorted(output.glob("part-*.parquet"))


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@FORKS
@pytest.mark.slow  # ten runs that are killed
@pytest.mark.parametrize("who", ["worker", "driver"])
def test_killed_at_five_moments_every_id_is_there_once(who, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model", "test_dawdles")
    n = 400
    path, output = write_rows(tmp_path / "in.jsonl", n), tmp_path / "out"
    arguments = (pipeline, path, output, "--rows", 5, "--jobs", 2, "--code", CODE)
    log = tmp_path / "log"
    for moment, how in enumerate(["spawn", "spawn", "fork", "fork", "fork"]):
        driver = started(log, how, *arguments)
        process = psutil.Process(driver.pid)
        # Before the first part, and then after some more each time, in the middle of others
        wanted = len(parts(output)) + (moment > 0) * 2
        wait_for(lambda p=process, h=how, n=wanted: workers(p, h) and len(parts(output)) >= n)
        children = workers(process, how)
        if who == "driver":
            driver.kill()
        else:
            os.kill(children[moment % len(children)].pid, signal.SIGKILL)
        driver.join(120)
        assert driver.exitcode == (-signal.SIGKILL if who == "driver" else 1)
        if who == "worker":
            lines = log.read_text().replace("\r", "\n").strip().split("\n")
            assert lines[-1].startswith("Error: A worker was killed"), lines[-1]
        # Nobody is left to write into the folder
        wait_for(lambda children=children: not any(map(is_running, children)), seconds=30)
        for part in parts(output):
            pq.read_table(part)  # each is whole
    assert len(parts(output)) < n // 5
    driver = started(log, "fork", *arguments)
    driver.join(300)
    assert driver.exitcode == 0
    rows = rows_of(output)
    assert [row["id"] for row in rows] == [f"row-{i}" for i in range(n)]
    assert all(row["entities"][0]["text"] in text_of(i) for i, row in enumerate(rows))
    assert not list(output.glob(".*"))


@FORKS
@pytest.mark.slow  # loads the pipeline in three processes
@pytest.mark.parametrize("moment", ["starting", "at work"])
def test_stopped_by_the_keyboard_all_end_at_once(moment, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model", "test_dawdles")
    path, output = write_rows(tmp_path / "in.jsonl", 2000), tmp_path / "out"
    how = "spawn" if moment == "starting" else "fork"
    arguments = (pipeline, path, output, "--rows", 5, "--jobs", 2, "--code", CODE)
    driver = started(tmp_path / "log", how, *arguments)
    process = psutil.Process(driver.pid)
    if moment == "starting":
        wait_for(lambda: workers(process, how))
    else:
        wait_for(lambda: len(parts(output)) >= 2)
    children = workers(process, how)
    os.killpg(driver.pid, signal.SIGINT)
    driver.join(30)
    assert driver.exitcode == 1
    wait_for(lambda: not any(map(is_running, children)), seconds=10)
    n_parts = len(parts(output))
    assert n_parts < 200
    log = (tmp_path / "log").read_text()
    assert "Error: Stopped. Run the same command again to resume." in log
    assert "Traceback" not in log


def test_a_damaged_part_is_done_again_and_a_damaged_manifest_is_said(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path, output = write_rows(tmp_path / "in.jsonl", 20), tmp_path / "out"
    annotate(pipeline, path, output, "--rows", 10)
    rows = rows_of(output)
    first = parts(output)[0]
    first.write_bytes(first.read_bytes()[:100])
    assert "10 of 20 rows were annotated" in annotate(pipeline, path, output, "--rows", 10)
    assert rows_of(output) == rows
    (output / "_manifest.json").write_text("[")
    said = annotate(pipeline, path, output, "--rows", 10, exit_codes=(1,))
    assert "with a _manifest.json that is damaged" in said


def test_output_that_holds_the_input_is_refused(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    (tmp_path / "in").mkdir()
    path = write_rows(tmp_path / "in" / "in.jsonl", 5)
    said = annotate(pipeline, path, tmp_path / "in", exit_codes=(1,))
    assert "contains the input" in said


def workers(process, how):
    """The processes that annotate, without the one that cleans up after those of "spawn".

    Each looks like its parent until it is started in full, the one that cleans up too.
    """
    children = process.children()
    if how == "fork":
        return children
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def is_running(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@LINUX
@pytest.mark.slow  # 200,000 texts
def test_memory_is_flat_over_200_000_texts_and_one_of_20_mb(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path = write_rows(tmp_path / "in.jsonl", 200_000)
    with path.open("a") as file:
        file.write('{"id": "long", "text": "' + "Rome was " * 2_300_000 + '"}\n')
    code = (
        "import resource; from spacy.cli._util import setup_cli;\n"
        "try: setup_cli()\n"
        "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    peaks = []
    few = write_rows(tmp_path / "few.jsonl", 10_000)
    for name in (few, path):
        arguments = [*command(pipeline, name, tmp_path / f"out-{name.stem}")][3:]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        peaks.append(int(done.stdout.split()[-1]))
    rows = pq.read_table(tmp_path / "out-in", columns=["id", "error"])
    assert rows.num_rows == 200_001
    assert rows.slice(200_000).to_pylist()[0]["error"].startswith("The text has 20700000 char")
    assert rows.column("error").null_count == 200_000
    # The text itself is in memory a few times; the other 190,000 are not
    assert peaks[1] - peaks[0] < 300


@pytest.mark.parametrize("change", ["pipeline", "inputs", "settings", "not ours"])
def test_a_folder_of_another_run_is_refused(change, tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path, output = write_rows(tmp_path / "in.jsonl", 5), tmp_path / "out"
    options = []
    if change == "not ours":
        output.mkdir()
        (output / "mine.txt").write_text("mine")
        expected = "is not empty, and contains no annotation"
    else:
        annotate(pipeline, path, output)
        expected = "holds texts that were annotated"
    if change == "pipeline":
        shutil.rmtree(pipeline)
        ruler_pipeline(pipeline, "sentencizer")
    elif change == "inputs":
        write_rows(path, 6)
    elif change == "settings":
        options = ["--max-length", "99"]
    before = {p: p.read_bytes() for p in output.iterdir()}
    said = annotate(pipeline, path, output, *options, exit_codes=(1,))
    assert expected in said
    assert {p: p.read_bytes() for p in output.iterdir()} == before
    if change == "settings":
        options = ["--candidates", "0.5"]
        refused = annotate(pipeline, path, output, *options, "--force", exit_codes=(1,))
        assert "no bilstm_crf_ner or bilstm_crf_spans component" in refused
        assert {p: p.read_bytes() for p in output.iterdir()} == before
        options = ["--max-length", "99"]
    (tmp_path / "out" / "notes.txt").write_text("mine")
    said = annotate(pipeline, path, output, *options, "--force", exit_codes=(0, 1))
    assert ("contains no annotation" in said) == (change == "not ours")
    assert (output / "notes.txt").read_text() == "mine"


def test_a_copy_of_the_pipeline_elsewhere_is_the_same(tmp_path):
    pipeline = ruler_pipeline(tmp_path / "model")
    path = write_rows(tmp_path / "in.jsonl", 5)
    annotate(pipeline, path, tmp_path / "out")
    shutil.move(pipeline, tmp_path / "moved")
    assert "5 of 5 rows were annotated" in annotate(tmp_path / "moved", path, tmp_path / "out")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("nowhere", "in.jsonl"), "There is no pipeline"),
        (("model", "nowhere.jsonl"), "There is no file"),
        (("model", "in.jsonl", "--text-column", "x"), "has no 'x'. It has: id, text"),
        (("model", "in.jsonl", "--engine", "dask"), "'dask' is not one of 'local', 'ray', 'spark'"),
        (("model", "in.jsonl", "--jobs", "0"), "Invalid value for '--jobs' / '-j'"),
        (("model", "in.jsonl", "--candidates", "2"), "Invalid value for '--candidates'"),
        (
            ("model", "in.jsonl", "--candidates", "0.5"),
            "no bilstm_crf_ner or bilstm_crf_spans component",
        ),
        (("model", "empty.jsonl"), "holds no texts"),
        (("damaged", "in.jsonl"), "can't be loaded"),
        (("model", "in.jsonl", "--max-length", "0"), "Invalid value for '--max-length'"),
        (
            ("model", "in.jsonl", "--code", "nowhere.py"),
            "'nowhere.py' does not exist",
        ),
    ],
)
def test_mistakes_end_in_one_line(arguments, expected, tmp_path):
    ruler_pipeline(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "damaged")
    (tmp_path / "damaged" / "config.cfg").write_text("[nlp]\n")
    write_rows(tmp_path / "in.jsonl", 3)
    (tmp_path / "empty.jsonl").write_text("\n")
    pipeline, path, *options = arguments
    said = annotate(
        tmp_path / pipeline, tmp_path / path, tmp_path / "out", *options, exit_codes=(1,)
    )
    (line,) = [line for line in said.strip().split("\n") if line.startswith("Error: ")]
    assert expected in line
    assert not list(tmp_path.glob("out/part*"))


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "spacy_bilstm_crf.common.errors.find_spec",
        lambda name: None if name == "ray" else object(),
    )
    said = annotate("model", "in.jsonl", tmp_path / "out", "--engine", "ray", exit_codes=(1,))
    assert 'This needs ray, which is not installed: pip install "spacy-bilstm-crf[ray]"' in said
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said = annotate("model", "in.jsonl", tmp_path / "out", "--engine", "spark", exit_codes=(1,))
    assert "Spark needs Java" in said
