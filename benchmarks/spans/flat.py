"""Entities that don't overlap, by `bilstm_crf_spans` and by `bilstm_crf_ner`.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.spans.flat [--dataset ncbi-disease] [--dataset sec-filings] [--seed 0]

Both are trained as `init-config` sets them up, on the whole training part without word vectors; the
model is the one that is best on dev. Those of `bilstm_crf_ner` are the runs of
`benchmarks.data_size`. One thread for each training. Results go to
benchmarks/spans/results/flat.json. Runs that the file has are not made again.
"""

from itertools import product
from typing import Annotated

import spacy
import typer
from spacy.tokens import Doc
from spacy.training import Corpus

from benchmarks.data_size import over_seeds
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read
from benchmarks.harness.training import docs_of, train, write_docs
from benchmarks.spans.corpora import KEY

DATASETS = ["ncbi-disease", "sec-filings"]
PARTS = ("train", "dev", "test")


def with_spans(doc: Doc) -> Doc:
    """Return a doc after its entities were put into `doc.spans` as well."""
    doc.spans[KEY] = list(doc.ents)
    return doc


def run(dataset: str, seed: int) -> Run:
    """Train and score `bilstm_crf_spans` on a data set."""
    with temporary_folder(f"flat-{dataset}-") as folder:
        paths = {
            part: write_docs(
                map(with_spans, docs_of(CORPUS / dataset / part)), folder / f"{part}.spacy"
            )
            for part in PARTS
        }
        config = folder / "config.cfg"
        options = ("--lang", "en", "--overlapping", "--spans-key", KEY)
        spacy_command("bilstm-crf", "init-config", config, "--train", paths["train"], *options)
        data = {part: paths[part] for part in ("train", "dev")}
        done = train(config, data, seed, {}, folder / "out")
        nlp = spacy.load(done.model)
        scores = {
            part: nlp.evaluate(list(Corpus(paths[part])(nlp)))[f"spans_{KEY}_f"]
            for part in ("dev", "test")
        }
    return {
        "cpu_seconds": round(done.cpu_seconds, 1),
        "steps": done.evaluations[-1]["step"],
        **{f"{part}_f": 100 * f for part, f in scores.items()},
    }


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the file lacks."""
    settings = {"factory": "bilstm_crf_spans"}
    file = Results(results_of("spans") / "flat.json", settings, ["dataset", "seed"])
    file.fill(product(datasets, seeds), run, jobs)


def flat_table() -> str:
    """Make the table of the two components."""
    rows = [["data", "component", "dev F", "test F"]]
    shown: list[Run] = []
    ours = grouped(read("spans", "flat")["runs"], "dataset")
    others = grouped(
        [run for run in read("data_size", "init-config")["runs"] if not run["size"]], "dataset"
    )
    for dataset in DATASETS:
        for name, cells in (("bilstm_crf_spans", ours), ("bilstm_crf_ner", others)):
            runs = cells.get((dataset,), [])
            if runs:
                scores = [over_seeds(runs, key) for key in ("dev_f", "test_f")]
                rows.append([f"{dataset}{tables.unrecorded(runs)}", f"`{name}`", *scores])
                shown += runs
    return tables.markdown(*rows) + tables.measured(shown)


TABLES = {"spans_flat": flat_table}

if __name__ == "__main__":
    command.run(main)
