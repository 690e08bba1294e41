"""Trainings in processes of their own, and the scores of what they made."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from .paths import CONFIGS
from .processes import cpu_seconds_of, spacy_command, start_python

Overrides = dict[str, Any]
# The threshold that is best for F1 is half of the F1 to be expected (docs/how-to/probabilities.md)
LIKELY = {"components.ner.threshold": 0.5}


class Training(NamedTuple):
    """A training that is done.

    Attributes:
        model: Folder of the pipeline that was best on the development part.
        evaluations: The log's entries that have a score, in order.
        cpu_seconds: Processor time.
    """

    model: Path
    evaluations: list[dict[str, Any]]
    cpu_seconds: float

    @property
    def best_step(self) -> int:
        """The step of the model."""
        return max(self.evaluations, key=lambda entry: entry["score"])["step"]


def stock_config(
    path: Path, optimize: str, lang: str = "en", pipeline: str = "ner", transformer: bool = False
) -> Path:
    """Write spaCy's own efficiency or accuracy config, of the stock `ner` by default.

    Args:
        path: The file.
        optimize: `efficiency` or `accuracy`.
        lang: Code of the language.
        pipeline: Names of the components, with commas.
        transformer: Whether they get a transformer, as spaCy has it for a GPU.
    """
    options = ("--lang", lang, "--pipeline", pipeline, "--optimize", optimize)
    spacy_command("init", "config", path, *options, *["--gpu"] * transformer)
    return path


def config_path(name: str | None, folder: Path) -> Path:
    """Return a shipped config, or without a name the stock accuracy config, made in the folder."""
    if name is not None:
        return CONFIGS / f"{name}.cfg"
    path = folder / "stock.cfg"
    return path if path.exists() else stock_config(path, "accuracy")


def length(steps: int) -> Overrides:
    """Return the overrides for a number of steps, evaluated twenty times."""
    return {
        "training.max_steps": steps,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.eval_frequency": max(1, steps // 20),
    }


def docs_of(folder: Path) -> list[Doc]:
    """Read all docs of a part of the data."""
    vocab = spacy.blank("en").vocab
    files = sorted(folder.glob("*.spacy"))
    return [doc for file in files for doc in DocBin().from_disk(file).get_docs(vocab)]


def write_docs(docs: Iterable[Doc], path: Path) -> Path:
    """Write docs to a file, and return its path."""
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def train(
    config: Path,
    paths: Mapping[str, str | Path],
    seed: int,
    overrides: Mapping[str, Any],
    out: Path,
) -> Training:
    """Run `spacy train` with one thread. Its output goes to OUT.log, its log to OUT.jsonl.

    Args:
        config: The config.
        paths: Its section `paths`: `train`, `dev` and others that it has.
        seed: Seed of the training.
        overrides: Other settings, by their dotted names.
        out: Folder for the models.

    Raises:
        SystemExit: If the training fails. It has the end of the output.
    """
    log, printed = out.with_suffix(".jsonl"), out.with_suffix(".log")
    settings = {
        **{f"paths.{name}": path for name, path in paths.items()},
        "system.seed": seed,
        "training.logger.@loggers": "spacy.ConsoleLogger.v3",
        "training.logger.progress_bar": "null",
        "training.logger.output_file": log,
        **overrides,
    }
    options = [
        f"--{setting}={value if isinstance(value, (str, Path)) else json.dumps(value)}"
        for setting, value in settings.items()
    ]
    with printed.open("w") as stdout:
        command = ("-m", "spacy", "train", config, "--output", out, *options)
        process = start_python(*command, stdout=stdout, stderr=subprocess.STDOUT)
        cpu_seconds = cpu_seconds_of(process)
    if process.returncode:
        raise SystemExit(printed.read_text()[-2000:])
    entries = map(json.loads, log.read_text().splitlines())
    evaluations = [entry for entry in entries if entry.get("score") is not None]
    return Training(out / "model-best", evaluations, cpu_seconds)


def scored(
    model: Path | Language,
    data: Path,
    *,
    threshold: float | None = None,
    batch_size: int = 256,
) -> dict[str, float]:
    """Compute precision, recall and F of a model on each part of the data, in percent.

    Args:
        model: The pipeline or its folder.
        data: A folder with the parts `dev` and `test`.
        threshold: Replaces the threshold that the model was trained with.
        batch_size: Number of docs at a time.
    """
    nlp = model if isinstance(model, Language) else spacy.load(model)
    if threshold is not None:
        ner: Any = nlp.get_pipe("ner")
        ner.threshold = threshold
    found = {}
    for part in ("dev", "test"):
        scores = nlp.evaluate(list(Corpus(data / part)(nlp)), batch_size=batch_size)
        for key in ("ents_p", "ents_r", "ents_f"):
            found[f"{part}_{key[-1]}"] = 100 * scores[key]
    return found
