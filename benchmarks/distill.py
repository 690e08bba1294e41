"""How much of a teacher's lead a student gets back from raw text.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.distill [--dataset ncbi-disease] [--seed 0 --seed 1]
        [--steps 4000] [--vectors FOLDER] [--transformer NAME_OR_FOLDER]

The teacher is trained on all sentences, a student on a tenth of them, which a seed draws. Then the
student has that tenth and the other sentences as words alone, which the teacher labels: with its
entities, or with its distribution over tag sequences. All are of configs/bilstm_crf.cfg with the
same vectors and length; the model of each training is the one that is best on dev. With
--transformer there is a second teacher, of configs/transformer.cfg, and the words a second that it
and its student predict. One thread. Results go to benchmarks/distill/results/DATASET.json. Runs
that the file has are not made again.
"""

import random
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.tokens import Doc, DocBin

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import CONFIGS, CORPUS, SHIPPED, VECTORS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read_all, summary
from benchmarks.harness.training import docs_of, length, scored, train, write_docs

DATASETS = ["ncbi-disease", "wnut17"]
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
TRANSFORMER_CONFIG = CONFIGS / "transformer.cfg"
TRANSFORMER_STEPS = 1000  # of 32 sentences
SPEED_ROUNDS = 5


class Data:
    """A data set, and a tenth of it."""

    def __init__(self, dataset: str, seed: int, vectors: Path, steps: int) -> None:
        self.folder = CORPUS / dataset
        self.vectors, self.steps, self.seed = vectors, steps, seed
        docs = docs_of(self.folder / "train")
        random.Random(seed).shuffle(docs)
        self.n_labelled = round(SHARE * len(docs))
        self.labelled, self.raw = docs[: self.n_labelled], docs[self.n_labelled :]

    def train(self, docs: list[Doc], out: Path) -> Path:
        """Train on annotated docs."""
        return self._train(SHIPPED, docs, {"vectors": self.vectors}, self.steps, out)

    def train_transformer(self, name: str, out: Path) -> Path:
        """Train a transformer on all docs."""
        docs = self.labelled + self.raw
        return self._train(TRANSFORMER_CONFIG, docs, {"transformer": name}, TRANSFORMER_STEPS, out)

    def _train(
        self, config: Path, docs: list[Doc], paths: Mapping[str, Any], steps: int, out: Path
    ) -> Path:
        part = write_docs(docs, out.with_suffix(".spacy"))
        paths = {"train": part, "dev": self.folder / "dev", **paths}
        return train(config, paths, self.seed, length(steps), out).model

    def distill(self, teacher: Path, options: list[str], out: Path) -> Path:
        """Train on the tenth and on a teacher's soft labels of the rest."""
        labelled = write_docs(self.labelled, out.with_suffix(".spacy"))
        texts = out.with_suffix(".raw.spacy")
        DocBin(attrs=["ORTH"], docs=self.raw).to_disk(texts)  # words alone
        settings = {
            "paths.vectors": self.vectors,
            "system.seed": self.seed,
            "training.logger.progress_bar": "null",
            **length(self.steps),
        }
        overrides = [f"--{setting}={value}" for setting, value in settings.items()]
        given = ("--labelled", labelled, "--dev", self.folder / "dev", "--output", out)
        spacy_command(
            "bilstm-crf", "distill", teacher, texts, SHIPPED, *given, *options, *overrides
        )
        return out / "model-best"


def run_seed(dataset: str, data: Data, transformer_name: str | None, folder: Path) -> None:
    """Run what is missing of a seed. Teachers are those of the first seed that needs them."""
    seed = data.seed
    settings = {"dataset": dataset, "steps": data.steps, "vectors": data.vectors.name}
    file = Results(results_of("distill") / f"{dataset}.json", settings, ["seed", "what"], summaries)

    def record(what: str, model: Path, n_labelled: int, **more: Any) -> None:
        found = {"labelled": n_labelled, **scored(model, data.folder), **more}
        file.record((seed, what), found)

    every = data.labelled + data.raw
    if not file.has(seed, TENTH):
        record(TENTH, data.train(data.labelled, folder / f"{dataset}-{seed}"), data.n_labelled)
    teacher, transformer = (folder / f"{dataset}-{name}" for name in (TEACHER, TRANSFORMER))
    for number, (what, options) in enumerate(WAYS.items()):
        if not file.has(seed, what):
            if not teacher.exists():
                record(TEACHER, data.train(every, teacher), len(every))
            out = folder / f"{dataset}-{seed}-{number}"
            record(what, data.distill(teacher / "model-best", options, out), data.n_labelled)
    if transformer_name and not file.has(seed, OF_TRANSFORMER):
        if not transformer.exists():
            model = data.train_transformer(transformer_name, transformer)
            record(TRANSFORMER, model, len(every))
        best = transformer / "model-best"
        student = data.distill(best, [], folder / f"{dataset}-{seed}-transformer")
        speeds = words_a_second({TRANSFORMER: best, "student": student}, data.folder / "test")
        record(OF_TRANSFORMER, student, data.n_labelled, words_a_second=speeds)


def words_a_second(models: dict[str, Path], data: Path) -> dict[str, Any]:
    """Measure how fast two models predict tokenised docs, in turns."""
    texts = [[token.text for token in doc] for doc in docs_of(data)]

    def annotate(nlp: spacy.Language) -> None:
        docs = (Doc(nlp.vocab, words=words) for words in texts)
        for _ in nlp.pipe(docs, batch_size=128):
            pass

    peers: dict[str, Callable[[], None]] = {
        name: partial(annotate, spacy.load(model)) for name, model in models.items()
    }
    # One by one, as slow peers run in the first rounds of several only
    rounds = [timing.in_turns(peers, rounds=1) for _ in range(SPEED_ROUNDS)]
    seconds = {name: [each[name][0] for each in rounds] for name in models}
    slow, fast = seconds.values()
    n_words = sum(map(len, texts))
    return {
        **{name: round(n_words / statistics.median(times)) for name, times in seconds.items()},
        "times": timing.ratio(slow, fast),
    }


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise F by system, with the share on test of its teacher's lead over the tenth."""
    found: dict[str, Run] = {}
    for (what,), of_system in grouped(runs, "what").items():
        found[what] = {"what": what, "n_seeds": len(of_system)}
        for part in ("dev_f", "test_f"):
            found[what][part] = summary([each[part] for each in of_system])
    f_of = {what: row["test_f"]["mean"] for what, row in found.items()}
    for what, teacher in TEACHERS.items():
        if {TENTH, what, teacher} <= f_of.keys():
            lead = f_of[teacher] - f_of[TENTH]
            found[what]["share"] = 100 * (f_of[what] - f_of[TENTH]) / lead if lead > 0 else None
    return {"summary": list(found.values())}


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    steps: command.Steps = 4000,
    vectors: command.Vectors = VECTORS,
    transformer: Annotated[str | None, typer.Option(help="For a second teacher")] = None,
) -> None:
    """Run what is missing of all seeds and data sets."""
    with temporary_folder("distill-") as folder:
        for seed, dataset in product(seeds, datasets):
            data = Data(dataset, seed, vectors.resolve(), steps)
            run_seed(dataset, data, transformer, folder)


def table() -> str:
    """Make the table of what students learn, and how much of the teacher's lead that is."""
    head = ["data", "steps", "trained on", "seeds", "dev F", "test F", "of the teacher's lead"]
    names = {
        TENTH: TENTH,
        TEACHER: "all labels: the teacher",
        TRANSFORMER: "all labels: a transformer",
        OF_TRANSFORMER: "a tenth, and the transformer's distribution",
    }
    results, rows, speeds = read_all("distill"), [], []
    steps = {result["dataset"]: f"{result['steps']:,}" for result in results}
    shares = [row.get("share") for result in results for row in result["summary"]]
    for (data, what, *scores), share in zip(tables.summarised(results, "what"), shares):
        name = names.get(what, f"a tenth, and the teacher's {what}")
        rows.append([data, steps[data], name, *scores, "" if share is None else f"{share:.0f} %"])
    for run in (run for result in results for run in result["runs"]):
        if "words_a_second" in run:
            speed = run["words_a_second"]
            speeds.append(
                f"Words a second: the transformer {speed['transformer']:,}, its student "
                f"{speed['student']:,}, {speed['times']['median']:.0f} times as many."
            )
    return tables.markdown(head, *rows) + tables.measured(results, *speeds)


TABLES = {"distill": table}

if __name__ == "__main__":
    command.run(main)
