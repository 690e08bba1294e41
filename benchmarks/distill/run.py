"""How much of a teacher's lead a student gets back from raw text.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.distill.run [--datasets ncbi-disease wnut17] [--seeds 0 1 2]
        [--steps 4000] [--vectors FOLDER] [--transformer NAME_OR_FOLDER]

The teacher is trained on all sentences, a student on a tenth of them, which a seed draws. Then the
student has that tenth and the other sentences as words alone, of which the teacher says what it
finds: its entities alone, or its distribution over the tag sequences. All are of
configs/bilstm_crf.cfg with the same vectors and length; the model of each training is the one that
is best on dev. With --transformer there is a second teacher, of configs/transformer.cfg, and how
many words a second it and its student predict. One thread. Results go to
benchmarks/distill/results/DATASET.json as they come; what is there is not run again.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.tokens import Doc, DocBin

from benchmarks.speed.timing import in_turns, spread
from benchmarks.trainings import (
    ROOT,
    VECTORS,
    Results,
    Run,
    docs_of,
    length,
    processor,
    scored,
    spacy_command,
    summary,
    train,
)
from benchmarks.tune.run import CONFIG

RESULTS = Path(__file__).parent / "results"
DATASETS = ("ncbi-disease", "wnut17")
TENTH, TEACHER, TRANSFORMER = "a tenth", "teacher", "transformer"
# What the students learn beside the tenth, and options of `distill`
WAYS: dict[str, list[str]] = {
    "entities": ["--entities"],
    "distribution": [],
    "distribution, temperature 2": ["--temperature", "2"],
}
OF_TRANSFORMER = "distribution of the transformer"
TEACHERS = {**dict.fromkeys(WAYS, TEACHER), OF_TRANSFORMER: TRANSFORMER}
SHARE = 0.1
TRANSFORMER_CONFIG = ROOT / "configs" / "transformer.cfg"
TRANSFORMER_STEPS = 1000  # of 32 sentences
SPEED_ROUNDS = 5


class Data:
    """A data set, and a tenth of it."""

    def __init__(self, dataset: str, seed: int, vectors: Path, steps: int) -> None:
        self.folder = ROOT / "corpus" / dataset
        self.vectors, self.steps, self.seed = vectors, steps, seed
        docs = docs_of(self.folder / "train")
        random.Random(seed).shuffle(docs)
        self.n_labelled = round(SHARE * len(docs))
        self.labelled, self.raw = docs[: self.n_labelled], docs[self.n_labelled :]

    def train(self, docs: list[Doc], out: Path) -> Path:
        """Train on annotated docs."""
        return self._train(CONFIG, docs, {"vectors": self.vectors}, self.steps, out)

    def train_transformer(self, name: str, out: Path) -> Path:
        """Train a transformer on all docs."""
        paths = {"transformer": name}
        docs = self.labelled + self.raw
        return self._train(TRANSFORMER_CONFIG, docs, paths, TRANSFORMER_STEPS, out)

    def _train(
        self, config: Path, docs: list[Doc], paths: Mapping[str, Any], steps: int, out: Path
    ) -> Path:
        data = {"train": out.with_suffix(".spacy"), "dev": self.folder / "dev"}
        DocBin(docs=docs, store_user_data=True).to_disk(data["train"])
        return train(config, {**data, **paths}, self.seed, length(steps), out).model

    def distill(self, teacher: Path, options: list[str], out: Path) -> Path:
        """Train on the tenth and on what a teacher says of the rest."""
        DocBin(docs=self.labelled, store_user_data=True).to_disk(out.with_suffix(".spacy"))
        texts = out.with_suffix(".raw.spacy")
        DocBin(attrs=["ORTH"], docs=self.raw).to_disk(texts)  # words alone
        settings = {
            "paths.vectors": self.vectors,
            "system.seed": self.seed,
            "training.logger.progress_bar": "null",
            **length(self.steps),
        }
        command: list[str | Path] = [
            "bilstm-crf",
            "distill",
            teacher,
            texts,
            CONFIG,
            "--output",
            out,
            *options,
        ]
        command += ["--labelled", out.with_suffix(".spacy"), "--dev", self.folder / "dev"]
        command += [f"--{setting}={value}" for setting, value in settings.items()]
        spacy_command(*command)
        return out / "model-best"


class Given(NamedTuple):
    """What the command line says of all data sets and seeds."""

    vectors: Path
    steps: int
    transformer: str | None
    folder: Path  # for models


def cells(dataset: str, seed: int, given: Given) -> None:
    """Run what is missing of a seed. Teachers are those of the first seed that needs them."""
    settings = {"dataset": dataset, "steps": given.steps, "vectors": given.vectors.name}
    path = RESULTS / f"{dataset}.json"
    results = Results(path, settings, ["seed", "what"], summaries)
    data = Data(dataset, seed, given.vectors, given.steps)

    def add(what: str, model: Path, n_labelled: int, **more: Any) -> None:
        about = {"seed": seed, "what": what, "labelled": n_labelled, "processor": processor()}
        results.add({**about, **scored(model, data.folder, batch_size=256), **more})
        print(dataset, about, flush=True)

    every = data.labelled + data.raw
    if not results.has(seed, TENTH):
        add(TENTH, data.train(data.labelled, given.folder / f"{dataset}-{seed}"), data.n_labelled)
    teacher, transformer = (given.folder / f"{dataset}-{name}" for name in (TEACHER, TRANSFORMER))
    for number, (what, options) in enumerate(WAYS.items()):
        if not results.has(seed, what):
            if not teacher.exists():
                add(TEACHER, data.train(every, teacher), len(every))
            out = given.folder / f"{dataset}-{seed}-{number}"
            add(what, data.distill(teacher / "model-best", options, out), data.n_labelled)
    if given.transformer and not results.has(seed, OF_TRANSFORMER):
        if not transformer.exists():
            add(TRANSFORMER, data.train_transformer(given.transformer, transformer), len(every))
        best = transformer / "model-best"
        student = data.distill(best, [], given.folder / f"{dataset}-{seed}-transformer")
        speeds = words_a_second({TRANSFORMER: best, "student": student}, data.folder / "test")
        add(OF_TRANSFORMER, student, data.n_labelled, words_a_second=speeds)


def words_a_second(models: dict[str, Path], data: Path) -> dict[str, Any]:
    """How fast models predict tokenised docs, in turns."""
    texts = [[token.text for token in doc] for doc in docs_of(data)]

    def annotate(nlp: spacy.Language) -> None:
        docs = (Doc(nlp.vocab, words=words) for words in texts)
        for _ in nlp.pipe(docs, batch_size=128):
            pass

    peers: dict[str, Callable[[], None]] = {
        name: partial(annotate, spacy.load(model)) for name, model in models.items()
    }
    # One by one, as slow peers run in the first rounds of several only
    rounds = [in_turns(peers, rounds=1) for _ in range(SPEED_ROUNDS)]
    seconds = {name: [each[name][0] for each in rounds] for name in models}
    slow, fast = seconds.values()
    n_words = sum(map(len, texts))
    return {
        **{name: round(n_words / statistics.median(times)) for name, times in seconds.items()},
        "times": spread([a / b for a, b in zip(slow, fast)]),
    }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Of each system F, and of what lies between the tenth and its teacher its share on test."""
    of: dict[str, list[Run]] = {}
    for each in runs:
        of.setdefault(each["what"], []).append(each)

    def test_f(what: str) -> float:
        return summary([each["test_f"] for each in of[what]])["mean"]

    found = []
    for what, of_system in of.items():
        row: dict[str, Any] = {"what": what, "n_seeds": len(of_system)}
        for part in ("dev_f", "test_f"):
            row[part] = summary([each[part] for each in of_system])
        if TENTH in of and what in TEACHERS and TEACHERS[what] in of:
            lead = test_f(TEACHERS[what]) - test_f(TENTH)
            row["share"] = 100 * (test_f(what) - test_f(TENTH)) / lead if lead > 0 else None
        found.append(row)
    return {"summary": found}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--transformer", help="a transformer, for a second teacher")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distill-") as temporary:
        of_all = Given(given.vectors.resolve(), given.steps, given.transformer, Path(temporary))
        for seed, dataset in product(given.seeds, given.datasets):
            cells(dataset, seed, of_all)


if __name__ == "__main__":
    main()
