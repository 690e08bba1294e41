"""How much of a teacher's lead a student gets back from raw text.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.distill.run [--datasets ncbi-disease wnut17] [--seeds 0 1 2]
        [--steps 2000] [--vectors FOLDER]

The teacher is trained on all sentences, a student on a tenth of them, which a seed draws. Then the
student has that tenth and the other sentences as raw text, of which the teacher says what it
finds: its entities alone, or its distribution over the tag sequences. All are of
configs/bilstm_crf.cfg with the same vectors and length; the model of each training is the one that
is best on dev. One thread. Results go to benchmarks/distill/results/DATASET.json as they come; what
is there is not run again.
"""

import argparse
import json
import random
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, Dict, List, Union

from spacy.tokens import Doc, DocBin

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
TENTH, TEACHER = "a tenth", "teacher"
# What the students learn beside the tenth, and options of `distill`
WAYS: Dict[str, List[str]] = {
    "entities": ["--entities"],
    "distribution": [],
    "distribution, temperature 2": ["--temperature", "2"],
}
SHARE = 0.1


class Data:
    """A data set, and a tenth of it."""

    def __init__(self, dataset: str, seed: int, vectors: Path, steps: int) -> None:
        self.folder = ROOT / "corpus" / dataset
        self.vectors, self.steps, self.seed = vectors, steps, seed
        docs = docs_of(self.folder / "train")
        random.Random(seed).shuffle(docs)
        self.n_labelled = round(SHARE * len(docs))
        self.labelled, self.raw = docs[: self.n_labelled], docs[self.n_labelled :]

    def train(self, docs: List[Doc], out: Path) -> Path:
        """Train on annotated docs."""
        DocBin(docs=docs, store_user_data=True).to_disk(out.with_suffix(".spacy"))
        paths = {"train": out.with_suffix(".spacy"), "dev": self.folder / "dev"}
        return train(
            CONFIG, {**paths, "vectors": self.vectors}, self.seed, length(self.steps), out
        ).model

    def distill(self, teacher: Path, options: List[str], out: Path) -> Path:
        """Train on the tenth and on what a teacher says of the rest."""
        DocBin(docs=self.labelled, store_user_data=True).to_disk(out.with_suffix(".spacy"))
        texts = out.with_suffix(".jsonl")
        texts.write_text("\n".join(json.dumps({"text": doc.text}) for doc in self.raw))
        settings = {
            "paths.vectors": self.vectors,
            "system.seed": self.seed,
            "training.logger.progress_bar": "null",
            **length(self.steps),
        }
        command: List[Union[str, Path]] = [
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


def cells(dataset: str, seed: int, vectors: Path, steps: int, folder: Path) -> None:
    """Run what is missing of a seed. The teacher is that of the first seed that needs one."""
    settings = {"dataset": dataset, "steps": steps, "vectors": vectors.name}
    path = RESULTS / f"{dataset}.json"
    results = Results(path, settings, ["seed", "what"], summaries)
    data = Data(dataset, seed, vectors, steps)

    def add(what: str, model: Path, n_labelled: int) -> None:
        about = {"seed": seed, "what": what, "labelled": n_labelled, "processor": processor()}
        results.add({**about, **scored(model, data.folder, batch_size=256)})
        print(dataset, about, flush=True)

    if all(results.has(seed, what) for what in (TENTH, *WAYS)):
        return
    teacher = folder / f"{dataset}-teacher"
    if not teacher.exists():
        every = data.labelled + data.raw
        add(TEACHER, data.train(every, teacher), len(every))
    if not results.has(seed, TENTH):
        out = folder / f"{dataset}-{seed}"
        add(TENTH, data.train(data.labelled, out), data.n_labelled)
    for number, (what, options) in enumerate(WAYS.items()):
        if not results.has(seed, what):
            out = folder / f"{dataset}-{seed}-{number}"
            add(what, data.distill(teacher / "model-best", options, out), data.n_labelled)


def summaries(runs: List[Run]) -> Dict[str, Any]:
    """Of each system F, and of what lies between the tenth and the teacher its share on test."""
    of: Dict[str, List[Run]] = {}
    for each in runs:
        of.setdefault(each["what"], []).append(each)
    found = []
    for what, of_system in of.items():
        row: Dict[str, Any] = {"what": what, "n_seeds": len(of_system)}
        for part in ("dev_f", "test_f"):
            row[part] = summary([each[part] for each in of_system])
        if TENTH in of and TEACHER in of:
            first, last = (
                summary([each["test_f"] for each in of[name]])["mean"] for name in (TENTH, TEACHER)
            )
            lead = last - first
            row["share"] = 100 * (row["test_f"]["mean"] - first) / lead if lead > 0 else None
        found.append(row)
    return {"summary": found}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distill-") as temporary:
        for seed, dataset in product(given.seeds, given.datasets):
            cells(dataset, seed, given.vectors.resolve(), given.steps, Path(temporary))


if __name__ == "__main__":
    main()
