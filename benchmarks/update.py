"""A new label for a trained pipeline: what is learned, and what is forgotten.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.update SYSTEM [--dataset wnut17] [--seed 0]

A pipeline is trained without one label: all its entities are taken out of the training and
development data, and 100 sentences that have it are kept back. Then it learns the label from 13 or
100 of these, in which nothing else is annotated, with or without its old training data. Scores are
on the whole test part. Ours has the shipped word vectors. Results go to
benchmarks/update/results/SYSTEM.json. Runs that the file has are not made again.

- update: the command `update`, on what `init-config` trains
- loop: its documented loop of `nlp.update`
- ner: the stock `ner` in spaCy's efficiency config, with 60 steps of `nlp.update`, as spaCy's
  examples have it; the old data are mixed in, 48 docs a step
- scratch: `init-config` on the old data and the new sentences together
"""

import random
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from benchmarks.data_size import stock_config
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, VECTORS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read
from benchmarks.harness.training import docs_of, train, write_docs
from spacy_bilstm_crf.data.corpus import unannotated
from spacy_bilstm_crf.workflows import lower_biases, retaining_examples, update

LABELS = {"four-domains": "PLACE", "wnut17": "location"}
DATASETS = list(LABELS)
SYSTEMS = ("update", "loop", "ner", "scratch")
N_KEPT_BACK = 100
SIZES = [13, 100]
STEPS = 60  # of the stock `ner`
MOST_LOOP_STEPS, STEPS_WITH_OLD = 400, 300  # of the documented loop
OLD_DOCS = 48  # a step
MOST_STEPS = 3000  # of the first training


class Parts(NamedTuple):
    """The data of a run, as docs: one sentence each.

    Attributes:
        old: Training data without the label.
        dev: Development data without it.
        new: Sentences that have it, with nothing else annotated.
        test: Test data with all labels.
    """

    old: list[Doc]
    dev: list[Doc]
    new: list[Doc]
    test: list[Doc]


def parts_of(dataset: str, seed: int) -> Parts:
    """Split a data set for its label."""
    label = LABELS[dataset]
    sentences = {
        part: [one for doc in docs_of(CORPUS / dataset / part) for one in _sentences(doc)]
        for part in ("train", "dev", "test")
    }
    random.Random(seed).shuffle(sentences["train"])
    have_it = [doc for doc in sentences["train"] if _has(doc, label)][:N_KEPT_BACK]
    kept_back = {id(doc) for doc in have_it}
    old = [doc for doc in sentences["train"] if id(doc) not in kept_back]
    return Parts(
        [_with(doc, label, keep=False) for doc in old],
        [_with(doc, label, keep=False) for doc in sentences["dev"]],
        [_with(doc, label, keep=True) for doc in have_it],
        sentences["test"],
    )


def _sentences(doc: Doc) -> list[Doc]:
    if not doc.has_annotation("SENT_START"):
        return [doc]
    return [_copy(doc[sent.start : sent.end], sent.ents) for sent in doc.sents]


def _copy(span: Span, entities: Any) -> Doc:
    spaces = [bool(token.whitespace_) for token in span]
    copy = Doc(span.doc.vocab, words=[token.text for token in span], spaces=spaces)
    first = span.start
    copy.set_ents([Span(copy, e.start - first, e.end - first, e.label_) for e in entities])
    return copy


def _has(doc: Doc, label: str) -> bool:
    return any(ent.label_ == label for ent in doc.ents)


def _with(doc: Doc, label: str, *, keep: bool) -> Doc:
    """Copy a doc with the entities of a label alone, or without them."""
    return _copy(doc[:], [ent for ent in doc.ents if (ent.label_ == label) == keep])


def first_pipeline(
    system: str, dataset: str, docs: list[Doc], dev: list[Doc], seed: int
) -> Language:
    """Train a pipeline on some docs."""
    with temporary_folder(f"{system}-{dataset}-") as folder:
        part = write_docs(docs, folder / "train.spacy")
        paths = {"train": part, "dev": write_docs(dev, folder / "dev.spacy")}
        config = folder / "config.cfg"
        overrides: dict[str, Any] = {}
        if system == "ner":
            overrides = stock_config("efficiency", dataset, part, config)
        else:
            options = ("--train", part, "--lang", "en", "--vectors", VECTORS)
            spacy_command("bilstm-crf", "init-config", config, *options)
            overrides = {
                "training.patience": 0,
                "training.max_steps": MOST_STEPS,
                "training.optimizer.learn_rate.total_steps": MOST_STEPS,
            }
        return spacy.load(train(config, paths, seed, overrides, folder / "out").model)


def run(system: str, dataset: str, seed: int, models: Path) -> list[Run]:
    """Teach the label to one pipeline in each of the four ways."""
    parts, label = parts_of(dataset, seed), LABELS[dataset]
    kind = "ner" if system == "ner" else "ours"
    model = models / f"{kind}-{dataset}-{seed}"
    if not model.exists():
        first_pipeline(kind, dataset, parts.old, parts.dev, seed).to_disk(model)
    found = []
    for size, has_old in product(SIZES, (True, False)):
        if system == "scratch" and not has_old:
            continue
        nlp = spacy.load(model)
        test = [_copy(doc[:], doc.ents) for doc in parts.test]
        before = scores(nlp, test, label)
        new = parts.new[:size]
        old = parts.old if has_old else []
        fix_random_seed(seed)
        if system == "update":
            nlp = update(nlp, new, old_data=old or None, seed=seed).nlp
        elif system == "scratch":
            nlp = first_pipeline("ours", dataset, [*old, *new], parts.dev, seed)
        else:
            TEACHERS[system](nlp, new, old, label)
        after = scores(nlp, test, label)
        found.append(
            {
                "dataset": dataset,
                "size": size,
                "old_data": has_old,
                "seed": seed,
                "old_f_before": before["old_f"],
                **after,
                "found": scores(nlp, new, label)["recall"],
            }
        )
    return found


def teach_stock(nlp: Language, new: list[Doc], old: list[Doc], label: str) -> None:
    """Call the stock component's `nlp.update` as spaCy's examples have it."""
    ner: Any = nlp.get_pipe("ner")
    ner.add_label(label)
    examples, replayed = _examples(nlp, new), _examples(nlp, old)
    optimizer = nlp.resume_training()
    for _ in range(STEPS):
        nlp.update(_batch(examples, replayed), sgd=optimizer, drop=0.2)


def teach_by_loop(nlp: Language, new: list[Doc], old: list[Doc], label: str) -> None:
    """Call `nlp.update` as docs/how-to/update.md has it."""
    ner: Any = nlp.get_pipe("ner")
    check, replayed = _examples(nlp, new), _examples(nlp, old)
    examples = retaining_examples(nlp, new, changed=not old)
    optimizer = nlp.resume_training(sgd=Adam(0.003))
    for step in range(STEPS_WITH_OLD if old else MOST_LOOP_STEPS):
        ner.resume_factor = 0.1 if old else min(0.025 + 0.0002 * step, 0.1)
        nlp.update(_batch(examples, replayed), sgd=optimizer, drop=0.2)
        if not old and step % 5 == 4 and nlp.evaluate(check)["ents_r"] >= 0.95:
            break
    lower_biases(nlp, new, [label], old_data=old)


def _examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    return [Example(unannotated(nlp, doc), doc) for doc in docs]


def _batch(examples: list[Example], replayed: list[Example]) -> list[Example]:
    batch = random.sample(examples, min(24, len(examples)))
    return batch + random.sample(replayed, min(OLD_DOCS, len(replayed)))


def scores(nlp: Language, docs: list[Doc], label: str) -> dict[str, float]:
    """Score a pipeline by the old labels and by the new one, in percent.

    Returns:
        `old_f` and `new_f`, `recall` of the new label, and `overused`, the share of docs without
        the label in which it is found.
    """
    counts = {"old": [0, 0, 0], "new": [0, 0, 0]}
    n_without = n_overused = 0
    for doc, found in zip(docs, nlp.pipe(unannotated(nlp, doc) for doc in docs)):
        example = Example(found, doc)
        predicted = {(e.start, e.end, e.label_) for e in example.get_aligned_spans_x2y(found.ents)}
        gold = {(e.start, e.end, e.label_) for e in doc.ents}
        for name, of in counts.items():
            mine = [
                {s for s in side if (s[2] == label) == (name == "new")}
                for side in (gold, predicted)
            ]
            of[0] += len(mine[0] & mine[1])
            of[1] += len(mine[0])
            of[2] += len(mine[1])
        if not _has(doc, label):
            n_without += 1
            n_overused += any(span[2] == label for span in predicted)
    old, new = counts["old"], counts["new"]
    return {
        "old_f": 200 * old[0] / max(1, old[1] + old[2]),
        "new_f": 200 * new[0] / max(1, new[1] + new[2]),
        "recall": 100 * new[0] / max(1, new[1]),
        "overused": 100 * n_overused / max(1, n_without),
    }


TEACHERS = {"ner": teach_stock, "loop": teach_by_loop}


def main(
    system: Annotated[str, typer.Argument(**command.one_of(SYSTEMS))],
    models: Annotated[Path, typer.Option(help="Folder for the first pipelines")],
    datasets: Annotated[list[str], typer.Option("--dataset", **command.one_of(LABELS))] = DATASETS,
    seeds: command.Seeds = command.ONE_SEED,
) -> None:
    """Run what the system's file lacks."""
    path = results_of("update") / f"{system}.json"
    file = Results(path, {"system": system}, ["dataset", "seed"])
    file.fill(list(product(datasets, seeds)), partial(_one, system, models), 1)


def _one(system: str, models: Path, dataset: str, seed: int) -> Run:
    return {"rows": run(system, dataset, seed, models)}


def table() -> str:
    """Make the table of all systems."""
    head = ["data", "new sentences", "old data", "system"]
    head += ["old labels, F before", "old labels, F after", "new entities found, %"]
    head += ["texts without the new label in which it is found, %", "new label, F"]
    rows = [head]
    runs = {system: read("update", system)["runs"] for system in SYSTEMS}
    of_all = [
        {**row, "system": system}
        for system in SYSTEMS
        for done in runs[system]
        for row in done["rows"]
    ]
    cells = grouped(of_all, "dataset", "size", "old_data", "system")
    for dataset, size, has_old, system in product(DATASETS, SIZES, (True, False), SYSTEMS):
        of_cell = cells.get((dataset, size, has_old, system))
        if of_cell:
            values = [
                f"{sum(row[key] for row in of_cell) / len(of_cell):.1f}"
                for key in ("old_f_before", "old_f", "found", "overused", "new_f")
            ]
            rows.append([dataset, str(size), "yes" if has_old else "no", system, *values])
    return tables.markdown(*rows) + tables.measured(
        [done for of_system in runs.values() for done in of_system]
    )


TABLES = {"update": table}

if __name__ == "__main__":
    command.run(main)
