"""The size of a pipeline's wheel and its F, by the number of word vectors that `shrink` keeps.

    python -m benchmarks.shrink.run PIPELINE DATA [--keep-words 200000 100000 50000 20000]

PIPELINE is a trained one, DATA a folder with the parts `dev` and `test`. The wheel is that of
`spacy package`. Results go to benchmarks/shrink/results/shrink.json.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional

import spacy

from benchmarks.speed.timing import machine, write
from benchmarks.trainings import scored, spacy_command

RESULTS = Path(__file__).parent / "results"


def wheel_megabytes(model: Path, folder: Path) -> float:
    """Size of the package that `spacy package` builds."""
    folder.mkdir()
    spacy_command("package", model, folder, "--build", "wheel", "--name", "ner", "--force")
    (wheel,) = folder.rglob("*.whl")
    return wheel.stat().st_size / 1e6


def row(pipeline: Path, data: Path, keep: Optional[int], dtype: Optional[str]) -> Dict[str, Any]:
    """One way to shrink; without a type the pipeline as it is."""
    with tempfile.TemporaryDirectory(prefix="shrink-") as temporary:
        model = pipeline
        if dtype is not None:
            model = Path(temporary) / "model"
            few = () if keep is None else ("--keep-words", str(keep))
            spacy_command("bilstm-crf", "shrink", pipeline, model, "--dtype", dtype, *few)
        return {
            "vectors": len(spacy.load(model).vocab.vectors),
            "dtype": dtype or "float32",
            "wheel_mb": round(wheel_megabytes(model, Path(temporary) / "package"), 1),
            **scored(model, data, batch_size=256),
        }


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep-words", nargs="+", type=int, default=[200_000, 100_000, 50_000])
    given = parser.parse_args()
    ways = [(None, None), (None, "float16"), *((keep, "float16") for keep in given.keep_words)]
    rows = []
    for way in ways:
        rows.append(row(given.pipeline, given.data, *way))
        print(rows[-1], flush=True)
    result = {**machine("spacy"), "dataset": given.data.name, "rows": rows}
    write("shrink", result, RESULTS)


if __name__ == "__main__":
    main()
