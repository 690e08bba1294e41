"""What an encoder gives that has learned from raw text, by data set and number of sentences.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.encoder.config [STATES] [--words] out.cfg  # the objective
    python -m spacy pretrain out.cfg weights --code benchmarks/encoder/objectives.py
        --paths.raw_text texts.jsonl --paths.vectors training/vectors/glove-6b-100d-20k
    python -m benchmarks.encoder.accuracy [NAME=weights/model2.bin ...]
        [--dataset wnut17] [--size 200] [--seed 0]

Each NAME=FILE is a way to start; "none" is always one: what `init-config --vectors glove` writes.
The others have the same network and settings, with the encoder's weights to start from. A seed
draws the sentences of a part and starts the training, so all ways see the same sentences. The
model is the one that is best on dev. One thread. Results go to files in benchmarks/encoder/results/
by NAME. Runs that a file has are not made again.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from thinc.api import Config

from benchmarks.data_size import keys_of, our_config, run
from benchmarks.harness import command
from benchmarks.harness.paths import CONFIGS, VECTORS, results_of
from benchmarks.harness.results import Results
from benchmarks.harness.training import Overrides

STUDY = "encoder"
NONE = "none"
DATASETS = ["wnut17", "ncbi-disease", "sec-filings", "four-domains"]
SIZES = [1000, 200, 0]
PRETRAINED = CONFIGS / "pretrained.cfg"


def with_encoder(path: Path, weights: Path) -> None:
    """Put the embedding and the LSTM of a config into an encoder that starts from weights."""
    config = Config().from_disk(path, interpolate=False)
    model = config["components"]["ner"]["model"]
    shared = ("hidden_width", "depth", "dropout", "locked_dropout", "by_sentence")
    encoder = {name: model[name] for name in shared}
    model["tok2vec"] = {
        "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
        **encoder,
        "embed": model["tok2vec"],
    }
    model["depth"] = 0
    pretrained = Config().from_disk(PRETRAINED, interpolate=False)
    config["pretraining"] = pretrained["pretraining"]
    config["corpora"]["pretrain"] = pretrained["corpora"]["pretrain"]
    config["paths"] |= {"init_tok2vec": str(weights), "raw_text": None}
    config["initialize"]["init_tok2vec"] = "${paths.init_tok2vec}"
    config.to_disk(path)


def write_config(weights: Path | None, dataset: str, part: Path, out: Path) -> Overrides:
    """Write what `init-config` makes for a part, with the encoder if there are weights."""
    overrides = our_config(None, dataset, part, out, VECTORS)
    if weights is not None:
        with_encoder(out, weights)
    return overrides


def main(
    begun: Annotated[list[str] | None, typer.Argument(metavar="[NAME=FILE]...")] = None,
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    sizes: Annotated[list[int], typer.Option("--size", help="Sentences; 0 is all")] = SIZES,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the files lack."""
    ways: dict[str, Path | None] = {NONE: None}
    for way in begun or ():
        name, path = way.split("=", 1)
        ways[name] = Path(path).resolve()
    keys = keys_of(datasets, sizes, seeds)
    for name, weights in ways.items():
        settings: dict[str, Any] = {"begun": name, "vectors": VECTORS.name}
        file = Results(results_of(STUDY) / f"{name}.json", settings, ["dataset", "size", "seed"])
        file.fill(keys, partial(run, partial(write_config, weights)), jobs)


if __name__ == "__main__":
    command.run(main)
