"""Trainings of studies, and scores of what they made."""

import shutil

import pytest

from benchmarks.harness.training import config_path, scored, train
from tests.systems import LINUX

pytestmark = LINUX


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
