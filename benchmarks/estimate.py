"""Scores that `estimate` gives without annotation, and counts by samples, against the true ones.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.estimate [--dataset wnut17] [--seed 0 --seed 1] [--models FOLDER]

A model is trained on each data set as `init-config` says. One half of the development part chooses
the model, the other calibrates it: no text serves for two things. Then `estimate` and 200 samples
judge its entities

- in the data set's test part, which is of the same kind: all labels together, and
- in the test parts of other data sets with a label that means the same, such as persons: that label
  alone. Calibration does not hold there.

Each estimate is compared with the score by annotation: whether its 95 % interval contains the true
F, and whether `estimate` warned of the texts. The estimate without calibration stands beside it.

A seed starts the training. `--models` keeps the trained models, and takes those that are there.
Results go to benchmarks/estimate/results/DATASET.json. Seeds that a file has are not run again, but
a seed only has the data sets that were in corpus/ when it ran.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Corpus, Example

from benchmarks.data_size import DATASETS, LANGUAGES, our_config
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, grouped, read_all, summary
from benchmarks.harness.training import train, write_docs
from spacy_bilstm_crf.workflows import calibrate, estimate
from spacy_bilstm_crf.workflows.estimate import Estimate, Interval

# Labels of several data sets that mean the same, and what each calls them
SHARED = {
    "person": {"four-domains": "PERSON", "wnut17": "person", "sec-filings": "PER"},
    "location": {"four-domains": "PLACE", "wnut17": "location", "sec-filings": "LOC"},
    "disease": {"four-domains": "DISEASE", "ncbi-disease": "Disease"},
}
ALL = "all"  # labels
N_SAMPLES = 200
LEVEL = 0.95
_BATCH = 64  # docs


def cut_dev(dataset: str, folder: Path) -> tuple[Path, Path]:
    """Write the halves of the development part: to choose the model, and to calibrate it."""
    nlp = spacy.blank(LANGUAGES.get(dataset, "en"))
    docs = [example.reference for example in Corpus(CORPUS / dataset / "dev")(nlp)]
    choose, fit = (folder / f"{name}.spacy" for name in ("choose", "calibrate"))
    return write_docs(docs[::2], choose), write_docs(docs[1::2], fit)


def trained(dataset: str, seed: int, choose: Path, model: Path) -> None:
    """Train a pipeline, which one half of the development part chooses, and save it."""
    with temporary_folder(f"estimate-{dataset}-") as folder:
        config, part = folder / "config.cfg", CORPUS / dataset / "train"
        overrides = our_config(None, dataset, part, config)
        paths = {"train": part, "dev": choose}
        spacy.load(train(config, paths, seed, overrides, folder / "out").model).to_disk(model)


class Label(NamedTuple):
    """A label that a model and texts share: its name in the tables, and what each calls it.

    Without names of theirs it stands for all labels.
    """

    name: str
    ours: str = ""
    theirs: str = ""


def others(dataset: str) -> dict[str, list[Label]]:
    """Return the data sets in corpus/ that share labels with one, and those labels."""
    found: dict[str, list[Label]] = {}
    for name, called in SHARED.items():
        for other, theirs in called.items() if dataset in called else ():
            if other != dataset and (CORPUS / other / "test").exists():
                found.setdefault(other, []).append(Label(name, called[dataset], theirs))
    return dict(sorted(found.items()))


def renamed(examples: Sequence[Example], label: Label) -> None:
    """Give the annotated entities of one label our name of it, and remove all others."""
    for example in examples:
        doc = example.reference
        doc.set_ents(
            [Span(doc, e.start, e.end, label.ours) for e in doc.ents if e.label_ == label.theirs],
            default="outside",
        )


def true_scores(nlp: Language, examples: Sequence[Example], label: str | None) -> dict[str, float]:
    """Score a pipeline by the annotation, by one label or all, and count the annotated entities."""
    found = nlp.evaluate(list(examples), batch_size=_BATCH)
    if label is None:
        of_label = {key: found[f"ents_{key}"] for key in "prf"}
    else:
        of_label = found["ents_per_type"].get(label, dict.fromkeys("prf", 0.0))
    n_true = sum(
        label in (None, ent.label_) for example in examples for ent in example.reference.ents
    )
    return {f"true_{key}": of_label[key] for key in "prf"} | {"n_true": n_true}


def counted(nlp: Language, examples: Sequence[Example], label: str | None, seed: int) -> Interval:
    """Count the entities of a label, or of all, in samples: mean and 95 % interval."""
    ner: Any = nlp.get_pipe("ner")
    counts = np.zeros(N_SAMPLES)
    docs = [example.x.copy() for example in examples]
    for start in range(0, len(docs), _BATCH):
        drawn = ner.sample(docs[start : start + _BATCH], N_SAMPLES, seed=seed + start)
        for of_doc in drawn:
            counts += [sum(label in (None, e.label_) for e in entities) for entities in of_doc]
    low, high = np.quantile(counts, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(counts.mean()), float(low), float(high))


def scores_of(found: Estimate) -> dict[str, Any]:
    """Return an estimate as plain values."""
    scores = {"precision": found.precision, "recall": found.recall, "f": found.f}
    return {
        "n_found": found.n_found,
        **{name: None if score is None else list(score) for name, score in scores.items()},
    }


def judged(
    raw: Language, nlp: Language, texts: str, seed: int, labels: Sequence[Label]
) -> Iterator[dict[str, Any]]:
    """Estimate the scores of labels on a data set's test part, and compare.

    Args:
        raw: The pipeline before it was calibrated.
        nlp: The pipeline.
        texts: The data set.
        seed: Seed of the random numbers.
        labels: The labels.
    """
    test = CORPUS / texts / "test"
    before, after = (estimate(each, test, seed=seed, level=LEVEL) for each in (raw, nlp))
    for label in labels:
        examples = list(Corpus(test)(nlp))
        if label.ours:
            renamed(examples, label)
        uncalibrated, calibrated = (
            scores_of(each.by_label[label.ours] if label.ours else each.overall)
            for each in (before, after)
        )
        yield {
            "texts": texts,
            "label": label.name,
            "n_texts": after.n_texts,
            **calibrated,
            "f_uncalibrated": uncalibrated["f"],
            **true_scores(nlp, examples, label.ours or None),
            "n_expected": list(counted(nlp, examples, label.ours or None, seed)),
            "warned": bool(after.warnings),
            "familiarity": after.familiarity._asdict(),
            "of_calibration": after.of_calibration._asdict(),
        }


def run(dataset: str, models: Path | None, seed: int) -> Run:
    """Train, calibrate, and judge the estimates on all texts that there are."""
    with temporary_folder() as temporary:
        choose, fit = cut_dev(dataset, temporary)
        model = (models or temporary) / f"{dataset}-{seed}"
        if not model.exists():
            trained(dataset, seed, choose, model)
        raw, nlp = spacy.load(model), calibrate(model, fit).nlp
    of_texts = {dataset: [Label(ALL)], **others(dataset)}
    rows = [row for each in of_texts.items() for row in judged(raw, nlp, each[0], seed, each[1])]
    return {"rows": rows}


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    models: command.Models = None,
    jobs: command.Jobs = 1,
) -> None:
    """Run the seeds that the files lack."""
    for dataset in datasets:
        path = results_of("estimate") / f"{dataset}.json"
        file = Results(path, {"dataset": dataset}, ["seed"])
        file.fill([(seed,) for seed in seeds], partial(run, dataset, models), jobs)


def cells() -> dict[tuple[str, ...], list[Run]]:
    """Return the rows of all seeds, by model, texts and label: texts of the same kind first."""
    rows = [
        {"model": result["dataset"], **row}
        for result in read_all("estimate")
        for each in result["runs"]
        for row in each["rows"]
    ]
    found = grouped(rows, "model", "texts", "label")
    return dict(sorted(found.items(), key=lambda cell: (cell[0][0] != cell[0][1], cell[0])))


def covers(interval: Sequence[float] | None, true: float) -> bool:
    """Tell whether an interval contains the true value."""
    return interval is not None and interval[1] <= true <= interval[2]


def _data(cell: tuple[str, ...]) -> list[str]:
    model, texts, label = cell
    return [model, "the same" if texts == model else texts, label]


def _mean(rows: Sequence[Mapping[str, Any]], values: Sequence[float], digits: int = 1) -> str:
    return tables.mean(summary(values), len(rows), digits)


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    return _mean(rows, [100 * (row[key][0] if row[key] else 0.0) for row in rows])


def _percent(rows: Sequence[Mapping[str, Any]], source: str) -> str:
    shares = [row[source]["unknown"] for row in rows]
    return "-" if None in shares else _mean(rows, [100 * share for share in shares], 0)


def estimate_table() -> str:
    """Make the table of estimated F against the true one."""
    head = ["model", "texts", "label", "F, not calibrated", "F, estimated", "F, true"]
    table = [[*head, "interval contains it", "entropy, times", "unknown words, %", "warned"]]
    for cell, rows in cells().items():
        n_covered = sum(covers(row["f"], row["true_f"]) for row in rows)
        n_warned = sum(row["warned"] for row in rows)
        ratios = [row["familiarity"]["entropy"] / row["of_calibration"]["entropy"] for row in rows]
        unknown = (_percent(rows, source) for source in ("of_calibration", "familiarity"))
        table.append(
            [
                *_data(cell),
                *(_points(rows, key) for key in ("f_uncalibrated", "f")),
                _mean(rows, [100 * row["true_f"] for row in rows]),
                f"{n_covered} of {len(rows)}",
                _mean(rows, ratios),
                " to ".join(unknown),
                f"{n_warned} of {len(rows)}",
            ]
        )
    return tables.markdown(*table) + tables.measured(read_all("estimate"))


def count_table() -> str:
    """Make the table of counts: found, expected by samples, and annotated."""
    head = ["model", "texts", "label", "found", "expected", "interval, half of its width"]
    table = [[*head, "annotated", "interval contains it"]]
    for cell, rows in cells().items():
        n_covered = sum(covers(row["n_expected"], row["n_true"]) for row in rows)
        half = [(row["n_expected"][2] - row["n_expected"][1]) / 2 for row in rows]
        table.append(
            [
                *_data(cell),
                _mean(rows, [row["n_found"] for row in rows], 0),
                _mean(rows, [row["n_expected"][0] for row in rows], 0),
                _mean(rows, half, 0),
                f"{rows[0]['n_true']:,}",
                f"{n_covered} of {len(rows)}",
            ]
        )
    return tables.markdown(*table) + tables.measured(read_all("estimate"))


TABLES = {"estimate": estimate_table, "counts": count_table}

if __name__ == "__main__":
    command.run(main)
