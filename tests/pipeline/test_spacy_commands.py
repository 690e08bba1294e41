"""spaCy's command line with our component."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.common.resources import shipped_config
from tests.helpers import CONFIG, ROOT, SMALL_TRAINING, entities, spacy_command, weights
from tests.systems import SIGNALS

README = (ROOT / "README.md").read_text(encoding="utf8")


# tuning.cfg is a search space: see cli/test_tune.py
CONFIGS = sorted(path for path in CONFIG.parent.glob("*.cfg") if path.stem != "tuning")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_complete(config, tmp_path):
    if config.stem == "transformer":
        pytest.importorskip("spacy_transformers", reason="needs the [transformers] extra")
    filled = tmp_path / "filled.cfg"
    spacy_command("init", "fill-config", config, filled)
    assert filled.read_text() == config.read_text()


def test_train_and_evaluate(model, corpus, tmp_path):
    output = tmp_path / "scores.json"
    printed = spacy_command("evaluate", model, corpus, "--output", output)
    assert "LOC" in printed
    assert json.loads(output.read_text())["ents_f"] == 1.0
    assert entities(spacy.load(model)("I like London and Berlin.")) == [
        ("London", "LOC"),
        ("Berlin", "LOC"),
    ]


def test_find_threshold(model, corpus):
    # At 1, only what is quite certain is found; at a half, what the training was about
    printed = spacy_command("find-threshold", model, corpus, "ner", "threshold", "ents_f", "-n", 3)
    scores = dict(re.findall(r"^(\d\.?\d*) +(\d\.?\d*) *$", printed, re.MULTILINE))
    assert len(scores) == 3
    assert float(scores["0.5"]) > float(scores["1.0"])


def test_training_twice_gives_the_same_model(paths, tmp_path):
    for name in ("one", "two"):
        arguments = [*paths, *SMALL_TRAINING, "--training.max_steps=12"]
        spacy_command("train", CONFIG, "--output", tmp_path / name, *arguments)
    one, two = (spacy.load(tmp_path / name / "model-last") for name in ("one", "two"))
    assert (weights(one.get_pipe("ner")) == weights(two.get_pipe("ner"))).all()


def test_resuming_from_a_trained_pipeline(model, paths, tmp_path):
    config = tmp_path / "sourced.cfg"
    loaded = spacy.util.load_config(CONFIG)
    loaded["components"]["ner"] = {"source": str(model)}
    loaded.to_disk(config)
    keep = [argument for argument in SMALL_TRAINING if "components" not in argument]
    spacy_command("train", config, "--output", tmp_path, *paths, *keep, "--training.max_steps=5")
    assert json.loads((tmp_path / "model-last/meta.json").read_text())["labels"]["ner"]


def test_init_labels_and_using_them(paths, tmp_path):
    spacy_command("init", "labels", CONFIG, tmp_path, *paths)
    labels = tmp_path / "ner.json"
    assert json.loads(labels.read_text()) == ["LOC", "PERSON"]
    nlp_folder = tmp_path / "assembled"
    loaded = spacy.util.load_config(CONFIG)
    reader = {"@readers": "spacy.read_labels.v1", "path": str(labels)}
    loaded["initialize"]["components"] = {"ner": {"labels": reader}}
    loaded.to_disk(tmp_path / "config.cfg")
    spacy_command("assemble", tmp_path / "config.cfg", nlp_folder)
    assert spacy.load(nlp_folder).get_pipe("ner").labels == ("LOC", "PERSON")


def test_lookups_as_the_docs_have_them(paths, tmp_path):
    pytest.importorskip("spacy_lookups_data", reason="needs the [lookups] extra")
    page = (ROOT / "docs" / "how-to" / "train.md").read_text(encoding="utf8")
    commands = re.findall(r"^python -m spacy ((?:.*\\\n)*.*)", page, re.MULTILINE)
    (command,) = (command for command in commands if "initialize.lookups" in command)
    arguments = shlex.split(command.replace("\\\n", ""))
    options = arguments[arguments.index("--initialize.lookups") :]
    short = ["--training.max_steps=20", "--training.eval_frequency=20"]
    config = shipped_config(Path(arguments[1]).stem)
    spacy_command("train", config, "--output", tmp_path, *paths, *short, *options)
    nlp = spacy.load(tmp_path / "model-last")
    assert nlp.vocab["London"].cluster == nlp.vocab["Toronto"].cluster != 0
    ner = nlp.get_pipe("ner")
    tables = ner.model.get_ref("tok2vec").shims[0]._model.attributes
    assert len(tables) == 1 + len(json.loads(arguments[-1]))  # the casing's, too
    docs = [Doc(nlp.vocab, words=[word]) for word in ("toronto", "zorozto")]
    toronto, unknown = ner.emissions(docs)
    assert (toronto != unknown).any()


def test_from_ones_own_data_to_a_pipeline_as_the_readme_has_it(corpus, tmp_path, monkeypatch):
    block = README.split("## Train it in three lines")[1].split("```bash\n")[1].split("```")[0]
    commands = [shlex.split(line)[3:] for line in block.splitlines()]
    assert [command[0] for command in commands] == ["bilstm-crf", "train", "evaluate"]
    monkeypatch.chdir(tmp_path)
    for name in ("train", "dev"):
        shutil.copy(corpus, tmp_path / f"{name}.spacy")
    short = ["--training.max_steps=40", "--training.eval_frequency=20"]
    for command in commands:
        spacy_command(*command, *(short if command[0] == "train" else []))
    nlp = spacy.load(tmp_path / "training" / "model-best")
    assert nlp.vocab.vectors.shape == (20_000, 100)
    assert entities(nlp("I like London and Berlin."))


def test_debug_config(paths):
    assert "Config is valid" in spacy_command("debug", "config", CONFIG, *paths)


def test_debug_model(paths):
    printed = spacy_command("debug", "model", CONFIG, "ner", "-P0", "-P1", "-P3", "-DIM", *paths)
    assert "bilstm_crf" in printed
    assert "Successfully ended analysis" in printed


def test_debug_data_shows_no_section_for_our_factory(paths, tmp_path):
    # docs/explanation/limits.md gives a workaround: if this changes, change it there. So small a
    # corpus is an error by itself, hence exit code 1.
    section = "Named Entity Recognition"
    assert section not in spacy_command("debug", "data", CONFIG, *paths, exit_codes=(1,))
    stock = tmp_path / "stock.cfg"
    spacy_command("init", "config", stock, "--pipeline", "ner")
    assert section in spacy_command("debug", "data", stock, *paths, exit_codes=(1,))


def test_evaluate_writes_no_entities_for_displacy(model, corpus, tmp_path):
    # As above: docs/explanation/limits.md says so
    spacy_command("evaluate", model, corpus, "--displacy-path", tmp_path)
    assert "London" not in "".join(path.read_text() for path in tmp_path.glob("ent*.html"))


def test_apply(model, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "I like London."}\n')
    output = tmp_path / "out.spacy"
    spacy_command("apply", model, tmp_path / "texts.jsonl", output)
    nlp = spacy.blank("en")
    (doc,) = DocBin().from_disk(output).get_docs(nlp.vocab)
    assert entities(doc) == [("London", "LOC")]


def test_package_requires_this_package(model, tmp_path):
    spacy_command("package", model, tmp_path, "--name", "test_ner", "--build", "none")
    (meta,) = tmp_path.glob("en_test_ner-*/meta.json")
    requirements = json.loads(meta.read_text())["requirements"]
    assert any(name.startswith("spacy-bilstm-crf>=") for name in requirements)


def test_pretraining_finds_the_tok2vec(paths, tmp_path):
    config = tmp_path / "pretrain.cfg"
    spacy_command("init", "fill-config", CONFIG, config, "--pretraining")
    loaded = spacy.util.load_config(config)
    loaded["pretraining"].update(component="ner", layer="tok2vec", max_epochs=1)
    loaded["components"]["ner"]["model"]["tok2vec"]["width"] = 32
    (tmp_path / "raw.jsonl").write_text('{"text": "I like London and Berlin."}\n' * 20)
    loaded["paths"]["raw_text"] = str(tmp_path / "raw.jsonl")
    loaded.to_disk(config)
    spacy_command("pretrain", config, tmp_path / "weights", *paths)
    weights = sorted((tmp_path / "weights").glob("model*.bin"))
    assert weights
    arguments = [f"--paths.init_tok2vec={weights[0]}", "--training.max_steps=5"]
    spacy_command(
        "train", config, "--output", tmp_path / "out", *paths, *SMALL_TRAINING[2:], *arguments
    )


@SIGNALS
@pytest.mark.slow
def test_an_interrupted_run_leaves_a_model_that_loads(paths, tmp_path):
    arguments = [*paths, *SMALL_TRAINING, "--training.max_steps=100000", "--training.patience=0"]
    # Models are written before the first step and not again: no interrupt comes in between
    arguments += ["--training.eval_frequency=100000"]
    command = [sys.executable, "-m", "spacy", "train", CONFIG, "--output", tmp_path, *arguments]
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.DEVNULL,
        # Jobs that a shell starts in the background ignore it, and so would what they start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while not (tmp_path / "model-best" / "vocab").exists():
            assert process.poll() is None, "spacy train ended by itself"
            time.sleep(0.2)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()  # where it did not end
    assert spacy.load(tmp_path / "model-last").get_pipe("ner").labels == ("LOC", "PERSON")
    assert spacy.load(tmp_path / "model-best")("I like London.").has_annotation("ENT_IOB")
