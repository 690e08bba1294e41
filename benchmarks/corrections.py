"""How many corrections a document takes, where each of them changes the rest and where not.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.corrections [--dataset wnut17] [--seed 0] [--models FOLDER]

A model is trained as `init-config` says, on 1,000 sentences. Then someone corrects what it finds in
each document of the test part, one error at a time, until all is as it is annotated: the least
probable entity that is wrong is replaced by the annotated one that it overlaps, or deleted if there
is none, so that none of its tokens is in an entity. If none is wrong, the first annotated entity
that is missing is added. Each of these counts as one correction.

- `alone`: a correction changes nothing else, apart from entities that overlap it
- `propagated`: all else is found again, given all corrections so far (`predict_given`)

Results go to benchmarks/corrections/results/DATASET.json. Runs that the file has are not made
again.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.tokens import Doc, Span

from benchmarks.data_size import trained_on_part
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import docs_of

DATASETS = ["ncbi-disease", "wnut17"]
SIZE = 1000  # sentences
COUNTS = ("alone", "propagated")

Place = tuple[int, int, str]
Found = dict[Place, float]  # entities and their probabilities
Corrections = tuple[list[Place], list[Place]]  # fixed and deleted


def overlaps(one: Place, other: Place) -> bool:
    """Tell whether two spans share a token."""
    return one[0] < other[1] and other[0] < one[1]


def correction(found: Found, gold: set[Place]) -> tuple[Place | None, Place | None]:
    """Return the next correction: what to fix, and what was wrong; None and None if all is right.

    Args:
        found: The entities, with their probabilities.
        gold: The annotated entities.
    """
    wrong = sorted((p, place) for place, p in found.items() if place not in gold)
    missing = sorted(gold - found.keys())
    if wrong:
        _, place = wrong[0]
        return next((one for one in missing if overlaps(one, place)), None), place
    return (missing[0] if missing else None), None


def n_corrections(
    first: Found, gold: set[Place], after: Callable[[Found, Corrections], Found]
) -> int:
    """Count the corrections that a document takes.

    Args:
        first: What was found in it.
        gold: What is annotated.
        after: Returns what is found after another correction, from what was found before it and all
            corrections so far.
    """
    found = first
    known: Corrections = ([], [])
    while True:
        fix, reject = correction(found, gold)
        if fix is None and reject is None:
            return sum(map(len, known))
        known[fix is None].append(fix or reject)  # type: ignore[arg-type]
        found = after(found, known)


def corrected_alone(found: Found, known: Corrections) -> Found:
    """Return what is found where the last correction changes nothing but what it overlaps."""
    fixed, deleted = known
    kept = {
        place: p
        for place, p in found.items()
        if place not in deleted and not any(overlaps(place, one) for one in fixed)
    }
    return {**kept, **dict.fromkeys(fixed, 1.0)}


def corrected_given(ner: Any, doc: Doc, found: Found, known: Corrections) -> Found:
    """Return what is found given all corrections."""
    fixed = [Span(doc, *place) for place in known[0]]
    rejected = [doc[start:end] for start, end, _ in known[1]]
    (prediction,) = ner.predict_given([doc], fixed=[fixed], rejected=[rejected])
    return {(e.start, e.end, ner.labels[e.label]): e.probability for e in prediction.entities}


def run(models: Path | None, dataset: str, seed: int) -> Run:
    """Train a model, and count corrections of the test part."""
    with temporary_folder(f"corrections-{dataset}-") as temporary:
        folder = temporary if models is None else models / f"corrections-{dataset}-{seed}"
        nlp = spacy.load(trained_on_part(dataset, SIZE, seed, folder))
    ner: Any = nlp.get_pipe("ner")
    counts = dict.fromkeys(COUNTS, 0)
    n_docs = n_more = n_gold = n_right = 0
    for gold_doc in docs_of(CORPUS / dataset / "test"):
        doc = Doc(
            nlp.vocab,
            words=[token.text for token in gold_doc],
            spaces=[bool(token.whitespace_) for token in gold_doc],
        )
        gold = {(ent.start, ent.end, ent.label_) for ent in gold_doc.ents}
        first = corrected_given(ner, doc, {}, ([], []))
        alone = n_corrections(first, gold, corrected_alone)
        propagated = n_corrections(first, gold, partial(corrected_given, ner, doc))
        counts["alone"] += alone
        counts["propagated"] += propagated
        n_docs += 1
        n_more += propagated > alone
        n_gold += len(gold)
        n_right += len(gold & first.keys())
    return {
        "documents": n_docs,
        "entities": n_gold,
        "found": n_right,
        **counts,
        "saved": 100 * (1 - counts["propagated"] / counts["alone"]),
        "more": 100 * n_more / n_docs,
    }


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    models: command.Models = None,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the files lack."""
    for dataset in datasets:
        settings = {"dataset": dataset, "sentences": SIZE, "threads": 1}
        results = Results(
            results_of("corrections") / f"{dataset}.json",
            settings,
            ("seed",),
            lambda runs: summaries_of(runs, (), (*COUNTS, "saved", "more")),
        )
        make = partial(run, models, dataset)
        results.fill(product(seeds), make, jobs)


def table() -> str:
    """Make the table of the numbers of corrections."""
    rows = [
        ["data", "documents", "corrections alone", "propagated", "saved", "documents with more"]
    ]
    results = read_all("corrections")
    for result in results:
        (of_all,) = result["summary"]
        rows.append(
            [
                result["dataset"],
                f"{result['runs'][0]['documents']:,}",
                *(f"{of_all[name]['mean']:,.0f}" for name in COUNTS),
                *(f"{of_all[name]['mean']:.1f} %" for name in ("saved", "more")),
            ]
        )
    seeds = ", ".join(sorted({str(len(result["runs"])) for result in results}))
    return tables.markdown(*rows) + tables.measured(
        results, f"Models of {SIZE:,} training sentences. Seeds: {seeds}."
    )


TABLES = {"corrections": table}

if __name__ == "__main__":
    command.run(main)
