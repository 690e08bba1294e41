"""A pipeline's wheel, F and time to load, by the number of word vectors that `shrink` keeps.

    python -m benchmarks.shrink.run PIPELINE DATA [--keep-words 200000 100000 50000 20000]

PIPELINE is a trained one, DATA a folder with the parts `dev` and `test`. The wheel is that of
`spacy package`. Results go to benchmarks/shrink/results/shrink.json.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import spacy

from benchmarks.speed.timing import in_turns, machine, spread, write
from benchmarks.trainings import scored, spacy_command

RESULTS = Path(__file__).parent / "results"

Way = tuple[int | None, str | None]  # vectors to keep, and their type; None as they are


def wheel_megabytes(model: Path, folder: Path) -> float:
    """Size of the package that `spacy package` builds."""
    folder.mkdir(parents=True)
    spacy_command("package", model, folder, "--build", "wheel", "--name", "ner", "--force")
    (wheel,) = folder.rglob("*.whl")
    return wheel.stat().st_size / 1e6


def shrunk(pipeline: Path, way: Way, out: Path) -> Path:
    """The pipeline as it is, or what `shrink` leaves of it."""
    keep, dtype = way
    if dtype is None:
        return pipeline
    few = () if keep is None else ("--keep-words", str(keep))
    spacy_command("bilstm-crf", "shrink", pipeline, out, "--dtype", dtype, *few)
    return out


def loading(models: Sequence[Path]) -> list[dict[str, float]]:
    """How long each takes to load, of the first's time; they are loaded in turns, in one process.

    Imports are not part of it: they are the same for all.
    """
    peers: dict[str, Callable] = {str(model): partial(spacy.load, model) for model in models}
    times = in_turns(peers)
    first = times[str(models[0])]
    return [spread([own / other for own, other in zip(times[name], first)]) for name in times]


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep-words", nargs="+", type=int, default=[200_000, 100_000, 50_000])
    given = parser.parse_args()
    ways: list[Way] = [
        (None, None),
        (None, "float16"),
        *((keep, "float16") for keep in given.keep_words),
    ]
    rows = []
    with tempfile.TemporaryDirectory(prefix="shrink-") as temporary:
        wheels = Path(temporary) / "wheels"
        models = [
            shrunk(given.pipeline, way, Path(temporary) / f"model-{i}")
            for i, way in enumerate(ways)
        ]
        for (_, dtype), model, load in zip(ways, models, loading(models)):
            row = {
                "vectors": len(spacy.load(model).vocab.vectors),
                "dtype": dtype or "float32",
                "wheel_mb": round(wheel_megabytes(model, wheels / model.name), 1),
                "loading": load,
                **scored(model, given.data, batch_size=256),
            }
            rows.append(row)
            print(row, flush=True)
    result = {**machine("spacy"), "dataset": given.data.name, "rows": rows}
    write("shrink", result, RESULTS)


if __name__ == "__main__":
    main()
