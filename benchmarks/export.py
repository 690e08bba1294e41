"""F of pipelines before and after `export`, and how many entities differ.

    python -m benchmarks.export PIPELINE DATA [PIPELINE DATA ...]

Each PIPELINE is followed by its DATA, a folder with the part `test`, on which it is compared with
what `export` makes of it, with float32 and with int8. The table calls it by its folder, without
`model-best`: ROW/seed0/model-best, as `accuracy --models` keeps it, is "ROW, seed0". Pipelines that
the file of results has are not measured again. Results go to benchmarks/export/results/export.json.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness import command, tables
from benchmarks.harness.exporting import EXPORTED
from benchmarks.harness.paths import results_of
from benchmarks.harness.results import Results, machine, read
from spacy_bilstm_crf.workflows import export

KEY = ["dataset", "pipeline"]


def name_of(pipeline: Path) -> str:
    """Return what a pipeline is called in the table."""
    path = pipeline.absolute()
    if path.name.startswith("model-"):
        path = path.parent
    return f"{path.parent.name}, {path.name}" if path.name.startswith("seed") else path.name


def compared(pipeline: Path, data: Path) -> dict[str, Any]:
    """Export a pipeline in each precision, and compare it on the test part with what comes out."""
    found: dict[str, Any] = {"versions": machine("spacy", "torch", "onnxruntime")["versions"]}
    for precision in EXPORTED:
        difference = export(pipeline, precision=precision, data=data / "test").difference
        assert difference is not None
        before, after = difference.before.f, difference.after.f
        if before is None or after is None:
            raise SystemExit(f"There are no entities in {data / 'test'}.")
        found["test_f"] = 100 * before
        found["n_entities"] = difference.n_entities
        found[precision] = {"test_f": 100 * after, "n_different": difference.n_different}
    return found


def main(
    pairs: Annotated[list[Path], typer.Argument(help="Trained pipelines, each with its data")],
) -> None:
    """Compare the pipelines that the file of results lacks."""
    if len(pairs) % 2:
        raise typer.BadParameter("Each PIPELINE needs its DATA.")
    by_key = {
        (data.absolute().name, name_of(pipeline)): (pipeline, data)
        for pipeline, data in zip(pairs[::2], pairs[1::2])
    }
    results = Results(results_of("export") / "export.json", {}, KEY)
    results.fill(by_key, lambda *key: compared(*by_key[key]))


def table() -> str:
    """Make the table of F, and of how many entities differ."""
    runs = read("export", "export")["runs"]
    head = ["data", "pipeline", "test F", *(f"{name}, test F" for name in EXPORTED.values())]
    rows = [[*head, "entities", *(f"{name}, different" for name in EXPORTED.values())]]
    for run in runs:
        scores = [f"{each['test_f']:.2f}" for each in (run, *(run[name] for name in EXPORTED))]
        different = [f"{run[name]['n_different']:,}" for name in EXPORTED]
        names = [run["dataset"], run["pipeline"]]
        rows.append([*names, *scores, f"{run['n_entities']:,}", *different])
    return tables.markdown(*rows) + tables.measured(runs)


TABLES = {"export": table}

if __name__ == "__main__":
    command.run(main)
