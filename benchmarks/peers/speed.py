"""Words a second, milliseconds a text, memory and space on disk of the systems, side by side.

    python -m benchmarks.peers.accuracy SYSTEM --models FOLDER ...  # for each system
    python -m benchmarks.peers.speed FOLDER [--dataset ncbi-disease] [--size 1000] [--rounds 5]
    python -m benchmarks.peers.speed FOLDER --draw

Measures all systems that FOLDER has a model of, of one data set, number of sentences and seed. Each
has a process of its own, with one thread, in the environment that it was trained in. They take
turns: in a round each one finds the entities of all texts of the test part in batches, and then
those of 100 of the texts, one by one. Texts are tokenised before the clock starts. Memory is the
largest of the process after that, space that of the model's folder, where Stanza's has the vectors,
too. Results go to benchmarks/peers/results/speed-DATASET.json.

--draw draws F over words a second to docs/assets/peers.svg, and measures nothing.
"""

import statistics
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.data_size import DATASETS
from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import CORPUS, PICTURES, results_of, temporary_folder
from benchmarks.harness.results import Run, machine, read_all, write
from benchmarks.peers.accuracy import (
    ABOUT,
    MISSING,
    NOT_RUN,
    STUDY,
    Trained,
    head_of,
    model_folder,
    runs_by_cell,
    started,
    texts_of,
)
from benchmarks.peers.systems import SYSTEMS
from benchmarks.speed.footprint import megabytes_of
from benchmarks.speed.tagger import Worker

OURS = "ours"
# The README's systems, and the parts of data sets, the first of which is that of the speed
OF_FIRST_PAGE = ("ours", "ours-shipped", "spacy-efficiency", "spacy-accuracy", "flair")
ON_FIRST_PAGE = (("ncbi-disease", 1000), ("wnut17", 1000), ("sec-filings", 0))
MEASURED = ("batch", "single")
MARKERS = "osDP^v<>X*"  # one for each system, to tell them apart without colours


Answers = dict[str, dict[str, list[Any]]]  # by system and command, round by round


def measured_in_turns(workers: dict[str, Worker], rounds: int) -> Answers:
    """Ask each system each command in turns, after a round that does not count."""
    found: Answers = {key: {what: [] for what in MEASURED} for key in workers}
    for number in range(-1, rounds):
        for what in MEASURED:
            for key, worker in workers.items():
                seconds = worker.asked(what)
                if number >= 0:
                    found[key][what].append(seconds)
    return found


def row_of(key: str, found: Answers, n_words: int) -> dict[str, Any]:
    """Return what was measured of a system's time.

    Args:
        key: The system.
        found: What was measured of all.
        n_words: Number of words in all texts.
    """
    batch, single = (found[key][what] for what in MEASURED)
    milliseconds = [1000 * seconds for of_round in single for seconds in of_round]
    return {
        "system": key,
        "words_a_second": timing.spread([n_words / seconds for seconds in batch]),
        "ours_is_times_as_fast": timing.ratio(batch, found[OURS]["batch"]),
        "ms_a_text": statistics.median(milliseconds),
        "ms_a_text_p99": statistics.quantiles(milliseconds, n=100)[98],
    }


def main(
    models: Annotated[Path, typer.Argument(help="Folder of the models")],
    dataset: Annotated[str, typer.Option(**command.one_of(DATASETS))] = "ncbi-disease",
    size: Annotated[int, typer.Option(help="Sentences that they were trained on; 0 is all")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the models")] = 0,
    rounds: command.Rounds = 5,
    only_draw: Annotated[bool, typer.Option("--draw", help="Draw, measure nothing")] = False,
) -> None:
    """Measure the systems that there are models of, or draw what was measured."""
    if only_draw:
        draw(PICTURES / "peers.svg")
        return
    trained = {
        key: Trained.read(folder)
        for key in SYSTEMS
        if ((folder := model_folder(models.absolute(), key, dataset, size, seed)) / ABOUT).exists()
    }
    if OURS not in trained:
        raise SystemExit(f"{models} has no model of {OURS} on {dataset}, {size}, seed {seed}.")
    texts = texts_of(CORPUS / dataset / "test")
    with temporary_folder("peers-") as folder:
        workers = {key: started(key, done, texts, folder) for key, done in trained.items()}
        found = measured_in_turns(workers, rounds)
        n_words = workers[OURS].about["words"]
        rows = []
        for key, worker in workers.items():
            about = {name: worker.about[name] for name in ("load_seconds", "versions")}
            size_of = {"memory_mb": worker.asked("memory")}
            size_of["model_mb"] = megabytes_of(trained[key].model)
            rows.append({**row_of(key, found, n_words), **size_of, **about})
            print(rows[-1], flush=True)
            worker.process.kill()
    settings = {"dataset": dataset, "size": size, "seed": seed, "rounds": rounds, "threads": 1}
    result = {**settings, "words": n_words, **machine("spacy-bilstm-crf"), "rows": rows}
    write(results_of(STUDY) / f"speed-{dataset}.json", result)


def draw(path: Path) -> None:
    """Draw F over words a second, for each data set that was measured."""
    import matplotlib
    import matplotlib.pyplot as plt

    # The same file from the same results; letters that can be searched
    matplotlib.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none"})
    results = read_all(STUDY, "speed-*.json")
    n_rows = -(-len(results) // 2)
    size = (9, 1 + 3.5 * n_rows)
    figure, axes = plt.subplots(
        n_rows, 2, figsize=size, layout="constrained", squeeze=False, sharex=True
    )
    for each in axes.flat[len(results) :]:
        each.remove()
    for each in axes[:, 0]:
        each.set_ylabel("F, test part")
    colors = dict(zip(SYSTEMS, plt.get_cmap("tab10").colors))  # type: ignore[attr-defined]
    for result, of_result in zip(results, axes.flat):
        for key, speed, f in points(result):
            style = {"marker": MARKERS[list(SYSTEMS).index(key)], "color": colors[key]}
            of_result.plot([speed], [f], linestyle="", label=plain(key), **style)
        of_result.set_xscale("log")
        of_result.xaxis.set_major_formatter("{x:,.0f}")
        of_result.tick_params(labelbottom=True)
        of_result.set_xlabel("words a second")
        of_result.set_title(head_of((result["dataset"], result["size"]), []))
        of_result.grid(alpha=0.3)
    fullest = max(axes.flat[: len(results)], key=lambda each: len(each.lines))
    figure.legend(*fullest.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")


def plain(key: str) -> str:
    """Return the name of a system without what marks code."""
    return SYSTEMS[key].name.replace("`", "")


def trainings() -> dict[tuple[Any, ...], Run]:
    """Return the trainings by system, data set, number of sentences and seed.

    A seed draws the sentences as well, so systems are compared by one and the same.
    """
    return {(*cell, run["seed"]): run for cell, runs in runs_by_cell().items() for run in runs}


def measured_on(result: dict[str, Any]) -> tuple[Any, ...]:
    """Return data set, number of sentences and seed of models whose time was measured."""
    return tuple(result[key] for key in ("dataset", "size", "seed"))


def points(result: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return the systems of a result that have a score: system, words a second, F."""
    made_by, where = trainings(), measured_on(result)
    rows = [(row, made_by.get((row["system"], *where))) for row in result["rows"]]
    return [
        (row["system"], row["words_a_second"]["median"], run["test_f"]) for row, run in rows if run
    ]


def costs(row: dict[str, Any], run: Run | None) -> list[str]:
    """Write minutes of training, words a second and megabytes on disk of a system.

    Args:
        row: What was measured of it.
        run: Its training.
    """
    minutes = f"{run['cpu_seconds'] / 60:.1f}" if run else ""
    speed = f"{round(row['words_a_second']['median'], -2):,.0f}"
    return [minutes, speed, f"{row['model_mb']:,.0f}"]


def table() -> str:
    """Make the table of what each system costs."""
    head = ["data", "system", "F", "minutes to train", "words a second", "MB on disk"]
    rows = [[*head, "ours is times as fast", "ms a text", "MB of memory"]]
    results, made_by = read_all(STUDY, "speed-*.json"), trainings()
    for result in results:
        name = head_of((result["dataset"], result["size"]), [])
        for row in result["rows"]:
            run = made_by.get((row["system"], *measured_on(result)))
            faster = row["ours_is_times_as_fast"]
            rows.append(
                [
                    name,
                    SYSTEMS[row["system"]].name,
                    f"{run['test_f']:.1f}" if run else "",
                    *costs(row, run),
                    "" if row["system"] == OURS else tables.times(faster, digits=2),
                    f"{row['ms_a_text']:.1f}",
                    f"{row['memory_mb']:,.0f}",
                ]
            )
    return tables.markdown(*rows) + (tables.measured(results) if results else NOT_RUN)


def first_page_table() -> str:
    """Make the README's table: five systems, what they cost on the first data set, and the others.

    The columns of the costs are next to the data set that they are of.
    """
    cells = [(*cell, 0) for cell in ON_FIRST_PAGE]
    made_by = trainings()
    scored = [cell for cell in cells if any((key, *cell) in made_by for key in OF_FIRST_PAGE)]
    first = [each for each in read_all(STUDY, "speed-*.json") if measured_on(each) == cells[0]]
    heads = [f"{dataset}, F" for dataset, *_ in scored]
    costly = ["minutes to train", "words a second", "MB on disk"]
    rows = [["system", *heads[:1], *costly, *heads[1:]]]
    for row in (row for result in first for row in result["rows"]):
        system = SYSTEMS[row["system"]]
        if row["system"] in OF_FIRST_PAGE:
            runs = [made_by.get((row["system"], *cell)) for cell in scored]
            scores = [f"{run['test_f']:.1f}" if run else MISSING for run in runs]
            name = f"{system.name} ({system.reads or 'no word vectors'})"
            rows.append([name, *scores[:1], *costs(row, runs[0]), *scores[1:]])
    return tables.markdown(*rows) + (tables.measured(first) if first else NOT_RUN)


TABLES = {"peers_cost": table, "peers_first_page": first_page_table}

if __name__ == "__main__":
    command.run(main)
