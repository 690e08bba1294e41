"""What the tests of `tune` share: a search that takes seconds, as a command."""

import json
import os
import subprocess
import sys

from tests.helpers import CONFIG, ROOT, SMALL_TRAINING

RANDOM_SEARCH = """
[search]
seed = 1

[search.sampler]
name = "RandomSampler"

[search.pruner]
name = "NopPruner"

[parameters]
"""
# Of one setting that every config has
DROPOUT_SPACE = f"""{RANDOM_SEARCH}
[parameters.dropout]
path = "training.dropout"
type = "float"
low = 0.1
high = 0.2
"""
SPACE = f"""{RANDOM_SEARCH}
[parameters.hidden_width]
path = "components.ner.model.hidden_width"
type = "int"
low = 8
high = 64
step = 8

[parameters.learn_rate]
path = "training.optimizer.learn_rate.initial_rate"
type = "float"
low = 0.001
high = 0.1
log = true

[parameters.encoder]
path = "components.ner.model.tok2vec"
type = "categorical"

[parameters.encoder.blocks]

[parameters.encoder.blocks.cnn]
@architectures = "spacy-bilstm-crf.CharCNNEmbed.v1"
width = 16

[parameters.encoder.blocks.bilstm]
@architectures = "spacy-bilstm-crf.CharBiLSTMEmbed.v1"
width = 16

[parameters.filters]
path = "components.ner.model.tok2vec.filters"
type = "int"
low = 10
high = 30

[parameters.filters.when]
encoder = "cnn"
"""
SHORT_TRAINING = [
    *(option for option in SMALL_TRAINING if "learn_rate" not in option and "width" not in option),
    "--components.ner.model.hidden_width=32",
    "--components.ner.model.tok2vec.width=16",
    "--components.ner.model.tok2vec.filters=20",
    "--training.max_steps=20",
    "--training.optimizer.learn_rate.total_steps=20",
]


def tune_arguments(space, output, paths, *more):
    """The words of the command after `spacy`."""
    words = ["bilstm-crf", "tune", CONFIG, space, "--output", output, *paths, *SHORT_TRAINING]
    return [str(word) for word in [*words, *more]]


def start_tune(*arguments):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "spacy", *tune_arguments(*arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trials_in(output):
    lines = (output / "trials.jsonl").read_text(encoding="utf8").splitlines()
    return [json.loads(line) for line in lines]
