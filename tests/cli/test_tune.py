"""`tune`: searches of a few trials, and what is said of mistakes."""

import json
import time

import pytest
import spacy
from spacy.util import load_config

from spacy_bilstm_crf.common.resources import SEARCH_SPACE, shipped_config
from spacy_bilstm_crf.training.configs import read_config
from spacy_bilstm_crf.workflows.tuning import trial as trials
from spacy_bilstm_crf.workflows.tuning.checks import check_space
from spacy_bilstm_crf.workflows.tuning.space import read_space
from spacy_bilstm_crf.workflows.tuning.study import SearchJob
from tests.cli.tuning import SPACE, trials_in, tune_arguments
from tests.helpers import CONFIG, spacy_command

pytest.importorskip("optuna")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.cfg"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def searched(space, paths, tmp_path_factory):
    """The folder of a search of four trials, and what it printed."""
    output = tmp_path_factory.mktemp("search")
    return output, spacy_command(*tune_arguments(space, output, paths, "--n-trials=4"))


def test_a_search_leaves_all_its_files(searched):
    output, printed = searched
    found = trials_in(output)
    assert [trial["number"] for trial in found] == [0, 1, 2, 3]
    assert all(trial["state"] == "complete" for trial in found)
    best = max(found, key=lambda trial: trial["value"])
    assert f"{100 * best['value']:.2f} on dev" in printed
    for trial in found:
        (line,) = (line for line in printed.splitlines() if line.startswith(f"{trial['number']:5}"))
        assert f"{100 * trial['value']:.2f}" in line
        assert list(trial["evaluations"]) == ["0", "10", "20"]
        assert trial["value"] == max(trial["evaluations"].values())
        assert ("filters" in trial["params"]) == (trial["params"]["encoder"] == "cnn")
    ner = spacy.load(output / "model-best").get_pipe("ner")
    assert set(ner.labels) == {"PERSON", "LOC"}


def test_the_first_trial_is_the_config_as_it_is(searched):
    first = trials_in(searched[0])[0]
    expected = {"hidden_width": 32, "learn_rate": 0.03, "encoder": "cnn", "filters": 20}
    assert first["params"] == expected
    assert "as the config" in searched[1]


def test_the_best_config_is_complete_and_trains_to_the_same_score(searched, tmp_path):
    output, _ = searched
    best = max(trials_in(output), key=lambda trial: trial["value"])
    config = load_config(output / "best.cfg")
    params = best["params"]
    model = config["components"]["ner"]["model"]
    assert model["hidden_width"] == params["hidden_width"]
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == params["learn_rate"]
    assert config["training"]["logger"]["@loggers"] == "spacy.ConsoleLogger.v3"
    spacy_command("init", "fill-config", output / "best.cfg", tmp_path / "filled.cfg")
    assert load_config(tmp_path / "filled.cfg") == config
    spacy_command("train", output / "best.cfg", "--output", tmp_path)
    trained = json.loads((tmp_path / "model-best" / "meta.json").read_text())
    assert trained["performance"]["ents_f"] == pytest.approx(best["value"], abs=1e-9)  # rounded
    made = json.loads((output / "model-best" / "meta.json").read_text())
    assert made["performance"] == trained["performance"]


def test_the_page_needs_nothing_else_and_tells_what_its_pictures_show(searched):
    text = (searched[0] / "index.html").read_text(encoding="utf8")
    assert "<script" not in text and "src=" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text
    pictures = text.count("<svg")
    assert pictures >= 4 and text.count('role="img" aria-label="') == pictures
    for title in ("History", "Parallel coordinates", "Trials"):
        assert f"<h2>{title}</h2>" in text


def test_a_finished_search_is_not_done_again_and_can_be_made_longer(searched, space, paths):
    output, _ = searched
    before = trials_in(output)
    made = (output / "model-best" / "tune.json").stat().st_mtime_ns
    printed = spacy_command(*tune_arguments(space, output, paths, "--n-trials=4"))
    assert "4 trials are finished" in printed
    assert trials_in(output) == before
    assert (output / "model-best" / "tune.json").stat().st_mtime_ns == made
    spacy_command(*tune_arguments(space, output, paths, "--n-trials=5"))
    assert trials_in(output)[:4] == before and len(trials_in(output)) == 5


@pytest.mark.parametrize(
    "file, content", [("config.cfg", ""), ("tune.json", "{"), ("tune.json", "1")]
)
def test_a_model_that_is_damaged_is_trained_again(file, content, searched, space, paths):
    output, _ = searched
    (output / "model-best" / file).write_text(content)
    printed = spacy_command(*tune_arguments(space, output, paths, "--n-trials=4"))
    assert "again, for model-best" in printed
    assert spacy.load(output / "model-best").pipe_names == ["ner"]


@pytest.mark.parametrize(
    "more, message",
    [
        (["--training.dropout=0.2"], "another config (where training.dropout is different)"),
        (["--seeds=2"], "another number of seeds (1, now 2)"),
    ],
)
def test_a_folder_has_one_search(searched, space, paths, more, message):
    arguments = tune_arguments(space, searched[0], paths, "--n-trials=4", *more)
    assert message in one_line_error(*arguments)


def test_a_folder_has_one_space(searched, paths, tmp_path):
    other = tmp_path / "other.cfg"
    other.write_text(SPACE.replace("high = 64", "high = 32"))
    arguments = tune_arguments(other, searched[0], paths, "--n-trials=4")
    assert "another space (where parameters.hidden_width.high" in one_line_error(*arguments)


def one_line_error(*arguments):
    printed = spacy_command(*arguments, exit_codes=(1,)).splitlines()
    errors = [line for line in printed if "Using CPU" not in line]
    assert len(errors) == 1 and errors[0].startswith("Error: "), printed
    return errors[0]


PARAMETER = '[parameters]\n\n[parameters.x]\npath = "training.dropout"\n'
FLOAT = f'{PARAMETER}type = "float"\nlow = 0.1\nhigh = 0.5\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("nonsense", "not in spaCy's config syntax"),
        ("[search]\nseed = 0\n", "there are no parameters"),
        (f"{FLOAT}\n[training]\n", "the file has an unknown key 'training'"),
        (f"{FLOAT}hgih = 1\n", "[parameters.x] has an unknown key 'hgih'"),
        (PARAMETER, "[parameters.x] type is None"),
        (FLOAT.replace("dropout", "drop"), "training.drop, which is not in the config"),
        (FLOAT.replace("0.1", "0.6"), "[parameters.x] is empty: low is 0.6, and high is 0.5"),
        (FLOAT.replace("0.1", '"a"'), "[parameters.x] low is 'a'"),
        (f"{FLOAT}log = true\nstep = 0.1\n", "both log and step"),
        (f"{FLOAT.replace('0.1', '0')}log = true\n", "more than 0"),
        (f"{FLOAT}step = 0.3\n", "which can't be reached from low in steps of 0.3"),
        (f'{PARAMETER}type = "categorical"\nchoices = []\n', "[parameters.x] has no choices"),
        (
            f'{PARAMETER}type = "categorical"\nchoices = [0.1, "much"]\n',
            "[parameters.x] can't be 'much': the config refuses that",
        ),
        (
            '[parameters]\n\n[parameters.w]\npath = "components.ner.model.hidden_width"\n'
            'type = "int"\nlow = -1\nhigh = 8\n',
            "[parameters.w] can't be -1: the config refuses that",
        ),
        (f"{FLOAT}\n[parameters.x.when]\ny = 1\n", "names 'y', which is not a parameter"),
        (f"{FLOAT}\n[parameters.x.when]\nx = 0.2\n", "x depend on one another in a circle"),
        (
            f"{FLOAT}\n{FLOAT.replace('.x', '.y').replace('[parameters]', '')}",
            "[parameters.x] and [parameters.y] both set training.dropout",
        ),
        (f'[search]\n\n[search.sampler]\nname = "Tpe"\n{FLOAT}', "Tpe is not one of Optuna's: "),
        (
            f'[search]\n\n[search.pruner]\nname = "Median"\n{FLOAT}',
            "Median is not one of Optuna's: ",
        ),
        (
            f'[search]\n\n[search.pruner]\nname = "MedianPruner"\nsteps = 3\n{FLOAT}',
            "[search.pruner] MedianPruner can't be used",
        ),
    ],
)
def test_what_is_wrong_with_a_space_is_said_in_one_line(text, message, paths, tmp_path):
    path = tmp_path / "space.cfg"
    path.write_text(text)
    assert message in one_line_error(*tune_arguments(path, tmp_path / "out", paths))
    assert not (tmp_path / "out").exists()


def test_what_else_is_wrong_is_said_in_one_line(space, paths, corpus, tmp_path):
    out = tmp_path / "out"

    def message(*more, space=space, paths=paths):
        return one_line_error(*tune_arguments(space, out, paths, *more))

    assert "There is no file nowhere.cfg" in message(space="nowhere.cfg")
    words = ["bilstm-crf", "tune", "nowhere.cfg", space, "--output", out]
    assert "There is no config nowhere.cfg" in one_line_error(*words)
    assert "refuses the config" in message("--training.dropout=much")
    assert "The data can't be read (--paths.train" in message(paths=[])
    assert "development data can't be read" in message("--paths.dev=nowhere.spacy")
    bare = tmp_path / "bare.spacy"
    docs = [spacy.blank("en")("No entity here.")]
    spacy.tokens.DocBin(docs=docs).to_disk(bare)
    assert "development data have 1 docs, but no entity" in message(f"--paths.dev={bare}")
    spacy.tokens.DocBin().to_disk(bare)
    assert "development data are empty" in message(f"--paths.dev={bare}")
    assert not out.exists()
    assert "--storage can't be opened" in message("--storage=nonsense://x")


def test_a_dollar_sign_in_a_path(space, corpus, tmp_path):
    train = tmp_path / "data$" / "train.spacy"
    train.parent.mkdir()
    train.write_bytes(corpus.read_bytes())
    paths = [f"--paths.train={train}", f"--paths.dev={train}"]
    spacy_command(*tune_arguments(space, tmp_path / "search", paths, "--n-trials=1"))
    assert load_config(tmp_path / "search" / "best.cfg")["paths"]["train"] == str(train)


def test_without_a_space_it_is_the_shipped_one(paths, tmp_path):
    arguments = tune_arguments("", tmp_path, paths, "--n-trials=1")
    spacy_command(*(word for word in arguments if word))
    (trial,) = trials_in(tmp_path)
    assert set(trial["params"]) <= set(read_space(shipped_config(SEARCH_SPACE)).parameters)
    assert set(trial["evaluations"]) == {"0", "10", "20"}  # the overrides are not the space


def test_without_the_extra_it_says_what_to_install(space, paths, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    message = one_line_error(*tune_arguments(space, tmp_path, paths))
    assert 'pip install "spacy-bilstm-crf[tune]"' in message


# Every point once: no trial by chance
RATES = """
[search]

[search.sampler]
name = "BruteForceSampler"

[parameters]

[parameters.rate]
path = ["training.optimizer.learn_rate.initial_rate", "training.optimizer.L2"]
type = "categorical"
choices = [0.01, 1e30]
"""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow is the point of it
def test_a_trial_that_ends_in_nan_is_recorded_and_the_search_goes_on(paths, tmp_path):
    space = tmp_path / "space.cfg"
    space.write_text(RATES)
    out = tmp_path / "out"
    printed = spacy_command(*tune_arguments(space, out, paths, "--n-trials=9"))
    by_rate = {trial["params"]["rate"]: trial for trial in trials_in(out)}
    assert len(trials_in(out)) == len(by_rate) == 2  # the sampler has no more
    assert by_rate[0.01]["state"] == "complete" and by_rate[0.01]["reason"] is None
    assert by_rate[1e30]["state"] == "failed"
    assert by_rate[1e30]["reason"] in printed and "nan" in by_rate[1e30]["reason"].lower()
    config = load_config(out / "best.cfg")["training"]["optimizer"]
    assert config["L2"] == config["learn_rate"]["initial_rate"] == 0.01


def outcomes(monkeypatch, *found, seconds=0.0):
    """Let trainings end with these errors or scores after so many seconds."""
    left = list(found)

    def training(config, use_gpu, report=None):
        one = left.pop(0)
        time.sleep(seconds)
        if isinstance(one, Exception):
            raise one
        if report is not None:
            report(0, one)
        return trials.BestEvaluation(one, 0, {})

    monkeypatch.setattr(trials, "train_once", training)


def test_out_of_memory_is_a_failed_trial_and_a_mean_is_over_the_seeds(
    space, paths, tmp_path, monkeypatch
):
    outcomes(monkeypatch, MemoryError("too large"), 0.25, 0.75, 0.5, MemoryError(), 0.25, 0.5)
    more = ["--n-trials=4", "--seeds=2"]
    spacy_command(*tune_arguments(space, tmp_path, paths, *more))
    found = trials_in(tmp_path)
    assert [trial["state"] for trial in found] == ["failed", "complete", "failed", "complete"]
    assert found[0]["reason"] == "MemoryError: too large"
    assert [trial["value"] for trial in found] == [None, 0.5, None, 0.375]
    assert found[1]["scores_of_seeds"] == [0.25, 0.75]


def test_a_search_in_which_every_trial_fails_ends_early(space, paths, tmp_path, monkeypatch):
    outcomes(monkeypatch, *[KeyError("no such layer")] * 9)
    arguments = tune_arguments(space, tmp_path, paths, "--n-trials=9")
    printed = spacy_command(*arguments, exit_codes=(1,))
    assert "Error: 3 trials in a row failed: KeyError: 'no such layer'" in printed


def test_the_pruner_sees_every_evaluation(paths, tmp_path):
    space = tmp_path / "space.cfg"
    pruner = '"ThresholdPruner"\nlower = 2.0\nn_warmup_steps = 5'
    space.write_text(SPACE.replace('"NopPruner"', pruner))
    arguments = tune_arguments(space, tmp_path / "out", paths, "--n-trials=2")
    printed = spacy_command(*arguments, exit_codes=(1,))
    assert "None of 2 trials was completed" in printed
    found = trials_in(tmp_path / "out")
    assert [trial["state"] for trial in found] == ["pruned", "pruned"]
    assert [list(trial["evaluations"]) for trial in found] == [["0", "10"]] * 2


def test_no_trial_starts_when_the_time_is_over(space, paths, tmp_path, monkeypatch):
    outcomes(monkeypatch, *[0.5] * 9)
    arguments = tune_arguments(space, tmp_path, paths)
    printed = spacy_command(*arguments, "--timeout=0", exit_codes=(1,))
    assert "No trial was run before the time was up" in printed
    left = iter([2.5, 2.5])
    monkeypatch.setattr(SearchJob, "seconds_left", lambda job: next(left, 0.0))
    outcomes(monkeypatch, *[0.5] * 9, seconds=1.0)
    spacy_command(*arguments, "--timeout=3600")
    assert 1 <= len(trials_in(tmp_path)) <= 3  # those that begin within the time


def test_the_shipped_space_fits_the_shipped_config_and_what_init_config_writes(corpus, tmp_path):
    written = tmp_path / "my.cfg"
    spacy_command("bilstm-crf", "init-config", written, "--train", corpus)
    space = read_space(shipped_config(SEARCH_SPACE))
    for path, overrides in ((CONFIG, {"paths.train": "a", "paths.dev": "b"}), (written, {})):
        found = read_config(path, overrides)
        check_space(space, found)
        values, _ = space.values_in(found)
        assert values.pop("batch_size", None) == (500 if path == CONFIG else None)
        expected = {"layers": 1, "character_encoder": "cnn", "filters": 50, "learn_rate": 0.03}
        assert expected.items() <= values.items()
