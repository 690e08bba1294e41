"""A pipeline's wheel, F and time to load, by the number of word vectors that `shrink` keeps.

    python -m benchmarks.shrink PIPELINE DATA [--keep-words 200000 --keep-words 50000]

DATA is a folder with the parts `dev` and `test`. The wheel is that of `spacy package`. Results go
to benchmarks/shrink/results/shrink.json.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import spacy
import typer

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import machine, read, write
from benchmarks.harness.training import scored

KEPT = [200_000, 100_000, 50_000]
Way = tuple[int | None, str | None]  # vectors to keep, and their type; None as they are


def wheel_megabytes(model: Path, folder: Path) -> float:
    """Build the wheel of a pipeline with `spacy package`, and return its size."""
    folder.mkdir(parents=True)
    spacy_command("package", model, folder, "--build", "wheel", "--name", "ner", "--force")
    (wheel,) = folder.rglob("*.whl")
    return wheel.stat().st_size / 1e6


def shrunk(pipeline: Path, way: Way, out: Path) -> Path:
    """Return the pipeline as it is, or run `shrink`."""
    keep, dtype = way
    if dtype is None:
        return pipeline
    few = () if keep is None else ("--keep-words", keep)
    spacy_command("bilstm-crf", "shrink", pipeline, out, "--dtype", dtype, *few)
    return out


def loading(models: Sequence[Path]) -> list[dict[str, float]]:
    """Measure how long each model takes to load, relative to the first; all in one process.

    Imports don't count: they are the same for all.
    """
    peers: dict[str, Callable] = {str(model): partial(spacy.load, model) for model in models}
    seconds = timing.in_turns(peers)
    first = seconds[str(models[0])]
    return [timing.ratio(seconds[name], first) for name in seconds]


def main(
    pipeline: command.Pipeline,
    data: Annotated[Path, typer.Argument(help="Folder with the parts `dev` and `test`")],
    keep_words: Annotated[list[int], typer.Option(help="Number of vectors to keep")] = KEPT,
) -> None:
    """Shrink the pipeline in all ways, and measure what comes out."""
    few: list[Way] = [(keep, "float16") for keep in keep_words]
    ways: list[Way] = [(None, None), (None, "float16"), *few]
    rows = []
    with temporary_folder("shrink-") as folder:
        models = [shrunk(pipeline, way, folder / f"model-{i}") for i, way in enumerate(ways)]
        for (_, dtype), model, load in zip(ways, models, loading(models)):
            row = {
                "vectors": len(spacy.load(model).vocab.vectors),
                "dtype": dtype or "float32",
                "wheel_mb": round(wheel_megabytes(model, folder / "wheels" / model.name), 1),
                "loading": load,
                **scored(model, data),
            }
            rows.append(row)
            print(row, flush=True)
    result = {**machine("spacy"), "dataset": data.name, "rows": rows}
    write(results_of("shrink") / "shrink.json", result)


def table() -> str:
    """Make the table of size, F and time to load by the number of vectors."""
    result = read("shrink", "shrink")
    rows = [["vectors", "numbers", "wheel, MB", "dev F", "test F", "loads in"]]
    for row in result["rows"]:
        numbers = [f"{row[key]:.1f}" for key in ("wheel_mb", "dev_f", "test_f")]
        percent = f"{100 * row['loading']['median']:.0f} %"
        rows.append([f"{row['vectors']:,}", row["dtype"], *numbers, percent])
    return tables.markdown(*rows) + tables.measured(
        [result], f"Data: {result['dataset']}, one seed."
    )


TABLES = {"shrink": table}

if __name__ == "__main__":
    command.run(main)
