"""Learning curves: the sentences that `select` says to annotate next, against random ones.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.selection [--dataset ncbi-disease] [--seed 0 --seed 1]
        [--strategy random --strategy entropy] [--steps 1000] [--vectors FOLDER]
    python -m benchmarks.selection --draw

A seed draws 5 % of the sentences. A model is trained on them and says which to add up to the next
share; a new one is trained on those, and so on to 50 %. `random` adds sentences without looking.
All strategies of a seed start from the same sentences and the same model. The config is
configs/bilstm_crf.cfg; the model of each round is the one that is best on dev. One thread. Results
go to benchmarks/selection/results/DATASET.json. Curves that the file has are not run again.

--draw draws the curves to docs/assets/selection.svg, and runs nothing: F of the test part by the
share of sentences that are annotated, and by their words, as uncertain sentences are long ones.
Each point is the mean over the seeds.
"""

import random
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import spacy
import typer
from spacy.tokens import Doc

from benchmarks.harness import command, tables
from benchmarks.harness.paths import (
    CORPUS,
    PICTURES,
    SHIPPED,
    VECTORS,
    results_of,
    temporary_folder,
)
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import docs_of, length, scored, train, write_docs
from spacy_bilstm_crf.data.texts import Text
from spacy_bilstm_crf.workflows import select
from spacy_bilstm_crf.workflows.select.documents import STRATEGIES as OF_SELECT

DATASETS = ["ncbi-disease", "wnut17"]
STRATEGIES = ["random", *OF_SELECT]
SHARES = (5, 10, 20, 35, 50)  # percent of the sentences
# Told apart without colours too
LINES = {
    "random": {"color": "#6b7280", "linestyle": "--", "marker": "o"},
    "entropy": {"color": "#00796b", "linestyle": "-", "marker": "s"},
    "margin": {"color": "#b45309", "linestyle": "-", "marker": "^"},
    "diverse": {"color": "#6d28d9", "linestyle": "-", "marker": "D"},
}


def texts_of(docs: Iterable[Doc]) -> list[Text]:
    """Return sentences without their annotation."""
    return [Text(doc.text, words=[token.text for token in doc]) for doc in docs]


class Pool:
    """The sentences of a data set's training part, in the order that a seed draws them."""

    def __init__(self, dataset: str, seed: int) -> None:
        self.data = CORPUS / dataset
        self.docs = docs_of(self.data / "train")
        self.order = list(range(len(self.docs)))
        random.Random(seed).shuffle(self.order)

    def at(self, places: Iterable[int]) -> list[Doc]:
        """Return the sentences at some places."""
        return [self.docs[place] for place in places]

    def more(self, strategy: str, chosen: list[int], share: int, model: Path) -> list[int]:
        """Return the places of the chosen sentences, and of those to annotate next.

        Args:
            strategy: The strategy.
            chosen: Places of the sentences that are annotated.
            share: Percent of the sentences to annotate in all.
            model: Pipeline that was trained on the chosen ones. `random` needs none.
        """
        n = round(share / 100 * len(self.docs)) - len(chosen)
        taken = set(chosen)
        left = [place for place in self.order if place not in taken]
        if strategy == "random":
            return chosen + left[:n]
        texts = texts_of(self.at(left))
        found = select(spacy.load(model), texts, n, strategy=strategy, exclude=self.at(chosen))
        return chosen + [left[one.place] for one in found.suggestions]


def run(
    pool: Pool,
    docs: list[Doc],
    seed: int,
    steps: int,
    vectors: Path,
    out: Path,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Train a model on sentences, with more settings; its folder is OUT/model-best."""
    part = write_docs(docs, out.with_suffix(".spacy"))
    paths = {"train": part, "dev": pool.data / "dev", "vectors": vectors}
    overrides = {**length(steps), "training.eval_frequency": steps // 10, **settings}
    done = train(SHIPPED, paths, seed, overrides, out)
    return {
        "sentences": len(docs),
        "words": sum(map(len, docs)),
        "entities": sum(len(doc.ents) for doc in docs),
        "cpu_seconds": round(done.cpu_seconds),
        "best_step": done.best_step,
        **scored(done.model, pool.data),
    }


def run_curves(
    file: Results, dataset: str, seed: int, strategies: list[str], steps: int, vectors: Path
) -> None:
    """Run the strategies of a seed, each from the smallest share to the largest."""
    strategies = [s for s in strategies if not all(file.has(seed, s, share) for share in SHARES)]
    if not strategies:
        return
    pool = Pool(dataset, seed)
    with temporary_folder(f"selection-{dataset}-") as folder:
        first = folder / "first"
        start = pool.more("random", [], SHARES[0], first)
        done = run(pool, pool.at(start), seed, steps, vectors, first)
        for strategy in strategies:
            file.record((seed, strategy, SHARES[0]), done)
            chosen, model = start, first / "model-best"
            for share in SHARES[1:]:
                chosen = pool.more(strategy, chosen, share, model)
                out = folder / f"{strategy}-{share}"
                found = run(pool, pool.at(chosen), seed, steps, vectors, out)
                file.record((seed, strategy, share), found)
                model = out / "model-best"


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise scores and sizes by strategy and share."""
    return summaries_of(runs, ("strategy", "share"), ("dev_f", "test_f", "words", "entities"))


def draw_curves(axes: Any, result: dict[str, Any], by_words: bool) -> None:
    """Draw the curves of one data set."""
    for strategy, line in LINES.items():
        # Sorted by share
        cells = [cell for cell in result["summary"] if cell["strategy"] == strategy]
        xs = [cell["words"]["mean"] / 1000 if by_words else cell["share"] for cell in cells]
        axes.plot(xs, [cell["test_f"]["mean"] for cell in cells], label=strategy, **line)
    axes.set_xlabel("thousand words annotated" if by_words else "% of the sentences annotated")
    axes.set_title(result["dataset"])
    axes.grid(alpha=0.3)


def draw(path: Path) -> None:
    """Draw the curves of all data sets."""
    import matplotlib
    import matplotlib.pyplot as plt

    # The same file from the same results; letters that can be searched
    matplotlib.rcParams.update({"svg.hashsalt": "selection", "svg.fonttype": "none"})
    results = read_all("selection")
    figure, rows = plt.subplots(2, len(results), figsize=(9, 7), layout="constrained")
    for column, result in enumerate(results):
        for by_words, axes in zip((False, True), rows[:, column]):
            draw_curves(axes, result, by_words)
    for axes in rows[:, 0]:
        axes.set_ylabel("F, test part")
    rows[0, 0].legend()
    figure.savefig(path, metadata={"Date": None}, facecolor="white")


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    strategies: Annotated[
        list[str], typer.Option("--strategy", **command.one_of(STRATEGIES))
    ] = STRATEGIES,
    steps: command.Steps = 1000,
    vectors: command.Vectors = VECTORS,
    only_draw: Annotated[bool, typer.Option("--draw", help="Draw the curves, run nothing")] = False,
) -> None:
    """Run the curves that the files lack, or draw them."""
    if only_draw:
        draw(PICTURES / "selection.svg")
        return
    for seed, dataset in product(seeds, datasets):
        settings = {"dataset": dataset, "steps": steps, "vectors": vectors.name}
        key = ["seed", "strategy", "share"]
        file = Results(results_of("selection") / f"{dataset}.json", settings, key, summaries)
        run_curves(file, dataset, seed, strategies, steps, vectors)


def table() -> str:
    """Make the table of F by the share of annotated sentences, and how they were chosen."""
    results = read_all("selection")
    shares = sorted({cell["share"] for result in results for cell in result["summary"]})
    rows = [["data", "", "chosen by", *(f"{share} %" for share in shares)]]
    for result in results:
        for part in ("dev F", "test F", "thousand words"):
            for strategy in STRATEGIES:
                cells = {
                    cell["share"]: _of_cell(cell, part)
                    for cell in result["summary"]
                    if cell["strategy"] == strategy
                }
                if cells:
                    name = strategy if strategy == "random" else f"`{strategy}`"
                    scores = [cells.get(share, "-") for share in shares]
                    rows.append([result["dataset"], part, name, *scores])
    return tables.markdown(*rows) + tables.measured(results)


def _of_cell(cell: dict[str, Any], part: str) -> str:
    if part == "thousand words":
        return f"{cell['words']['mean'] / 1000:.0f}"
    return tables.with_seeds(cell[f"{part.split()[0]}_f"], cell["n_seeds"])


TABLES = {"selection": table}

if __name__ == "__main__":
    command.run(main)
