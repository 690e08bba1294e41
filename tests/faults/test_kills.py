"""A process that writes a pipeline is killed: what it leaves loads, or is refused in words."""

import os
import random
import shutil
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import spacy
from spacy.cli.train import train

from spacy_bilstm_crf.workflows import calibrate
from tests.helpers import CONFIG
from tests.systems import FORKS

pytestmark = [
    pytest.mark.slow,
    FORKS,  # to start quickly
]

# In the order in which spaCy writes them
FILES = ["tokenizer", "config.cfg", "ner/cfg", "ner/model", "ner/checksums", "vocab/strings.json"]
SECONDS = 60.0


def start(function):
    """A process of its own that runs a function, without a word."""

    def run():
        with open(os.devnull, "w") as nowhere:
            sys.stdout = sys.stderr = nowhere
            function()

    process = get_context("fork").Process(target=run)
    process.start()
    return process


def changes(path):
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def wait_for(is_so, process):
    """Wait until something is so, or a process has ended."""
    until = time.monotonic() + SECONDS
    while not is_so() and process.is_alive():
        assert time.monotonic() < until, "nothing was written"


def kill(process):
    process.kill()
    process.join()


def assert_loads_or_is_refused(folder):
    try:
        nlp = spacy.load(folder)
    except (ValueError, OSError, EOFError) as error:  # the last for empty vocab/vectors: spaCy's
        # Where a file of ours is the one that was being written, its folder is named
        assert "bilstm_crf_ner" not in str(error) or str(folder / "ner") in str(error)
        return False
    assert nlp("I like London.").has_annotation("ENT_IOB")
    return True


@pytest.mark.parametrize("file", FILES)
def test_a_training_is_killed_while_it_writes_a_file(corpus, tmp_path, file):
    overrides = {
        "paths.train": str(corpus),
        "paths.dev": str(corpus),
        "components.ner.model.hidden_width": 32,
        "components.ner.model.tok2vec.width": 32,
        "training.max_steps": 100000,
        "training.patience": 0,
        "training.eval_frequency": 1,  # it writes all the time
    }
    process = start(lambda: train(CONFIG, tmp_path, overrides=overrides))
    last = tmp_path / "model-last"
    wait_for((last / "vocab" / "strings.json").exists, process)
    rng = random.Random(file)
    time.sleep(rng.uniform(0.0, 1.0))
    before = changes(last / file)
    wait_for(lambda: changes(last / file) != before, process)
    time.sleep(rng.uniform(0.0, 0.002))
    assert process.is_alive(), "the training ended by itself"
    kill(process)
    for name in ("model-best", "model-last"):
        if (tmp_path / name).exists():
            assert_loads_or_is_refused(tmp_path / name)


@pytest.mark.parametrize("moment", [*FILES, "at random"])
def test_a_calibration_of_a_pipeline_in_its_place_is_killed(model, corpus, tmp_path, moment):
    kept = shutil.copytree(model, tmp_path / "kept")
    calibrate(kept, corpus).to_disk(tmp_path / "whole")
    of_both = [spacy.load(folder).get_pipe("ner").cfg for folder in (kept, tmp_path / "whole")]
    assert of_both[0]["temperature"] != of_both[1]["temperature"]
    process = start(lambda: calibrate(kept, corpus).to_disk(kept))
    rng = random.Random(moment)
    if moment == "at random":
        time.sleep(rng.uniform(0.0, 1.0))
    else:
        wait_for(lambda: any(tmp_path.glob(f".kept-*/new/{moment}")), process)
        time.sleep(rng.uniform(0.0, 0.002))
    kill(process)
    nlp = spacy.load(kept)
    assert nlp.get_pipe("ner").cfg in of_both
    assert nlp("I like London.").has_annotation("ENT_IOB")


def test_at_no_moment_is_there_no_pipeline(model, corpus, tmp_path, monkeypatch):
    kept = shutil.copytree(model, tmp_path / "kept")
    rename = Path.rename

    def rename_and_die(self, target):
        rename(self, target)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Path, "rename", rename_and_die)
    start(lambda: calibrate(kept, corpus).to_disk(kept)).join()
    monkeypatch.undo()
    assert spacy.load(kept).get_pipe("ner").cfg["temperature"] != 1.0
