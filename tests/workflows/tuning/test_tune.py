"""`tune` from Python: what it returns, calls back and refuses."""

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import tune
from spacy_bilstm_crf.workflows.tuning import trial
from tests.helpers import CONFIG

pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

SPACE = """
[parameters]

[parameters.dropout]
path = "training.dropout"
type = "float"
low = 0.0
high = 0.6
"""
OVERRIDES = {
    "components.ner.model.hidden_width": 16,
    "components.ner.model.tok2vec.width": 16,
    "components.ner.model.tok2vec.filters": 8,
    "training.dropout": 0.25,
    "training.max_steps": 2,
    "training.eval_frequency": 1,
}


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.cfg"
    path.write_text(SPACE)
    return path


@pytest.fixture
def overrides(corpus):
    return {**OVERRIDES, "paths.train": str(corpus), "paths.dev": str(corpus)}


def test_rejected_spans_that_nothing_reads_are_said(space, overrides, tmp_path, monkeypatch):
    def training(config, use_gpu, report=None):
        return trial.BestEvaluation(0.5, 0, {})

    (doc, *others) = DocBin().from_disk(overrides["paths.train"]).get_docs(Vocab())
    doc.spans["incorrect_spans"] = [doc[0:1]]
    DocBin(docs=[doc, *others]).to_disk(tmp_path / "train.spacy")
    overrides["paths.train"] = str(tmp_path / "train.spacy")
    monkeypatch.setattr(trial, "train_once", training)
    said = []
    for key in (None, "incorrect_spans"):
        overrides["components.ner.incorrect_spans_key"] = key
        output = tmp_path / f"out-{key}"
        tune(CONFIG, space, output, n_trials=1, overrides=overrides, on_message=said.append)
    (line,) = [line for line in said if "rejected spans" in line]
    assert line == said[0] and "set --components.ner.incorrect_spans_key incorrect_spans" in line


def test_it_returns_its_trials_and_prints_nothing(space, overrides, tmp_path, monkeypatch, capsys):
    def training(config, use_gpu, report=None):
        return trial.BestEvaluation(config["training"]["dropout"], 0, {})

    monkeypatch.setattr(trial, "train_once", training)
    seen, messages = [], []
    result = tune(
        CONFIG,
        space,
        tmp_path / "out",
        n_trials=3,
        overrides=overrides,
        on_trial=lambda trial, given: seen.append((trial, given)),
        on_message=messages.append,
    )
    assert [each for each, _ in seen] == result.trials
    assert result.trials[0].params == seen[0][1] == {"dropout": 0.25}
    assert result.best.value == max(each.value for each in result.trials)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        *("best.cfg", "model-best", "trials.jsonl", "index.html", "search.db", "search.json"),
    }
    frame = result._repr_html_()
    assert frame.startswith("<iframe") and "Search for the settings of a training" in frame
    assert any("Training trial" in line for line in messages)
    assert any("Pipeline: ['ner']" in line for line in messages)
    assert not any(str(tmp_path) in line for line in messages)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["n_trials", "jobs", "seeds"])
def test_a_number_that_makes_no_sense_is_refused(name, space, overrides, tmp_path):
    with pytest.raises(UserError, match=f"{name} must be at least 1, but is 0"):
        tune(CONFIG, space, tmp_path / "out", overrides=overrides, **{name: 0})
    assert not (tmp_path / "out").exists()
