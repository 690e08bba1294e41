"""Scores by the amount of data, from 200 sentences up.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.data_size SYSTEM [--dataset wnut17] [--size 200] [--seed 0 --seed 1]

Size 0 is the whole. A seed draws the sentences of a part and starts the training, so the systems of
one seed see the same sentences. The dev and test parts are always whole; the model is the one that
is best on dev. Without word vectors, and with one thread for each training. Results go to
benchmarks/data_size/results/SYSTEM.json. Runs that the file has are not made again.
"""

import random
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.training import Corpus

from benchmarks.harness import command, tables, training
from benchmarks.harness.paths import CORPUS, VECTORS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read, summary
from benchmarks.harness.training import Overrides, length, scored, train, write_docs

LANGUAGES = {"german-ler": "de"}
DATASETS = ["four-domains", "wnut17", "ncbi-disease", "sec-filings", "german-ler"]
SIZES = [1000, 0, 200]
# The whole of what the project trains on is not all that there is (assets/README.md)
PARTS = {"german-ler": "a tenth"}
A_TENTH = (
    "german-ler is trained on nine tenths of its development file, a tenth of the corpus: its "
    "training file, nine times as large, is left out."
)
Cell = tuple[str, int]  # data set and number of sentences


def write_part(dataset: str, size: int, seed: int, out: Path) -> int:
    """Write documents with `size` sentences in all, or all for 0.

    Returns:
        The number of sentences written.
    """
    nlp = spacy.blank(LANGUAGES.get(dataset, "en"))
    docs = [example.reference for example in Corpus(CORPUS / dataset / "train")(nlp)]
    if size:
        random.Random(seed).shuffle(docs)
    kept = []
    n_sentences = 0
    for doc in docs:
        if size and n_sentences >= size:
            break
        kept.append(doc)
        n_sentences += len(list(doc.sents)) if doc.has_annotation("SENT_START") else 1
    write_docs(kept, out)
    return n_sentences


def trained_on_part(dataset: str, size: int, seed: int, folder: Path) -> Path:
    """Train on `size` sentences, or all for 0, as `init-config` says.

    Args:
        dataset: The data set, whose dev part chooses the model.
        size: Number of sentences: see `write_part`.
        seed: Seed of the part and of the training.
        folder: Folder for the model. One that it has already is not trained again.

    Returns:
        The folder of the pipeline.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, part, out = folder / "config.cfg", folder / "train.spacy", folder / "out"
    if not (out / "model-best").exists():
        write_part(dataset, size, seed, part)
        spacy_command("bilstm-crf", "init-config", config, "--train", part, "--force")
        train(config, {"train": part, "dev": CORPUS / dataset / "dev"}, seed, {}, out)
    return out / "model-best"


def stock_config(optimize: str, dataset: str, part: Path, out: Path) -> Overrides:
    """Write spaCy's own efficiency or accuracy config."""
    training.stock_config(out, optimize, LANGUAGES.get(dataset, "en"))
    return {} if optimize == "efficiency" else {"paths.vectors": VECTORS}


def our_config(
    steps: int | None, dataset: str, part: Path, out: Path, vectors: Path | None = None
) -> Overrides:
    """Write what `init-config` makes for the part, with its number of steps or another.

    Args:
        steps: Number of steps.
        dataset: The data set, which has a language.
        part: The part.
        out: The config.
        vectors: Folder of word vectors.
    """
    options = ["--lang", LANGUAGES.get(dataset, "en")]
    if vectors is not None:
        options += ["--vectors", str(vectors)]
    spacy_command("bilstm-crf", "init-config", out, "--train", part, *options)
    return {} if steps is None else length(steps)


def lists_config(dropout: float, dataset: str, part: Path, out: Path) -> Overrides:
    """Write the same with the data set's word lists, some of whose spans training ignores."""
    options = ("--lang", LANGUAGES.get(dataset, "en"))
    patterns = CORPUS / dataset / "patterns.jsonl"
    spacy_command(
        "bilstm-crf", "init-config", out, "--train", part, "--patterns", patterns, *options
    )
    return {"components.ner.model.tok2vec.span_dropout": dropout}


# Writes a config for a data set's part, and returns the overrides that go with it
WriteConfig = Callable[[str, Path, Path], Overrides]
SYSTEMS: dict[str, WriteConfig] = {
    "ner": partial(stock_config, "efficiency"),
    "ner-vectors": partial(stock_config, "accuracy"),
    "init-config": partial(our_config, None),
    "steps-21000": partial(our_config, 21000),
    "lists": partial(lists_config, 0.2),
    "lists-0": partial(lists_config, 0.0),
}


def run(write_config: WriteConfig, dataset: str, size: int, seed: int) -> Run:
    """Train and score what a config says on one part of one data set."""
    with temporary_folder(f"{dataset}-{size}-") as folder:
        part, config = folder / "train.spacy", folder / "config.cfg"
        n_sentences = write_part(dataset, size, seed, part)
        overrides = write_config(dataset, part, config)
        data = CORPUS / dataset
        paths = {"train": part, "dev": data / "dev"}
        done = train(config, paths, seed, overrides, folder / "out")
        return {
            "sentences": n_sentences,
            "cpu_seconds": round(done.cpu_seconds, 1),
            "steps": done.evaluations[-1]["step"],
            "best_step": done.best_step,
            **scored(done.model, data),
        }


def keys_of(datasets: list[str], sizes: list[int], seeds: list[int]) -> list[tuple[str, int, int]]:
    """Return data set, number of sentences and seed of all runs."""
    return [
        (dataset, size, seed)
        for size, seed, dataset in product(sizes, seeds, datasets)
        if (dataset, size) != ("four-domains", 1000)  # it has fewer
    ]


def main(
    system: Annotated[str, typer.Argument(**command.one_of(SYSTEMS))],
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    sizes: Annotated[list[int], typer.Option("--size", help="Sentences; 0 is all")] = SIZES,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 2,
) -> None:
    """Run what the system's file lacks."""
    file = Results(
        results_of("data_size") / f"{system}.json", {"system": system}, ["dataset", "size", "seed"]
    )
    file.fill(keys_of(datasets, sizes, seeds), partial(run, SYSTEMS[system]), jobs)


def by_cell(system: str) -> dict[Any, list[Run]]:
    """Group the runs of a system by data set and number of sentences, the whole of each last."""
    cells = grouped(read("data_size", system)["runs"], "dataset", "size")
    return dict(sorted(cells.items(), key=lambda item: (item[0][0], item[0][1] or float("inf"))))


def size_of(cell: Cell, runs: list[Run]) -> str:
    """Write the number of sentences, and whether they are all."""
    dataset, size = cell
    return f"{runs[0]['sentences']:,}" + ("" if size else f", {PARTS.get(dataset, 'all')}")


def over_seeds(runs: list[Run], key: str) -> str:
    """Write mean and deviation of a score, and the number of seeds if there are one or two."""
    values = [run[key] for run in runs]
    return tables.with_seeds(summary(values), len(values))


def share_of_time(runs: list[Run], others: list[Run]) -> str:
    """Write the processor time of runs in percent of the others'."""
    seconds, of_others = (statistics.mean(r["cpu_seconds"] for r in rs) for rs in (runs, others))
    return f"{100 * seconds / of_others:.0f} %"


def size_table() -> str:
    """Make the table of ours against the stock `ner`, by the amount of data."""
    rows = [["data", "sentences", "`ner`, dev F", "ours, dev F", "`ner`, test F", "ours, test F"]]
    rows[0].append("time, of `ner`'s")
    stock, shown = by_cell("ner"), []
    for cell, ours in by_cell("init-config").items():
        if cell in stock:
            both = (stock[cell], ours)
            scores = [over_seeds(runs, key) for key in ("dev_f", "test_f") for runs in both]
            time = share_of_time(ours, stock[cell])
            data = f"{cell[0]}{tables.unrecorded([*ours, *stock[cell]])}"
            rows.append([data, size_of(cell, ours), *scores, time])
            shown += [*ours, *stock[cell]]
    apart = "The two times of such a row may be of different machines."
    return tables.markdown(*rows) + tables.measured(shown, apart, A_TENTH)


def length_table() -> str:
    """Make the table of what init-config's number of steps costs against 21,000."""
    rows = [["data", "sentences", "steps", "dev F", "dev F, 21,000 steps", "time, of theirs"]]
    ours, shown = by_cell("init-config"), []
    for cell, longer in by_cell("steps-21000").items():
        seeds = {run["seed"] for run in longer}
        runs = [run for run in ours[cell] if run["seed"] in seeds]
        scores = [over_seeds(runs, "dev_f"), over_seeds(longer, "dev_f")]
        steps, time = f"{runs[0]['steps']:,}", share_of_time(runs, longer)
        data = f"{cell[0]}{tables.unrecorded([*runs, *longer])}"
        rows.append([data, size_of(cell, runs), steps, *scores, time])
        shown += [*runs, *longer]
    return tables.markdown(*rows) + tables.measured(shown)


TABLES = {"data_size": size_table, "length": length_table}

if __name__ == "__main__":
    command.run(main)
