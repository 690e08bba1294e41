"""How well `audit` finds annotation that was changed on purpose, beside cleanlab's token scores.

    pip install -r benchmarks/audit/requirements.txt
    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.audit DATASET [--seed 0 --seed 1]

In the training part, one of twenty entities is deleted, moved by a token or given another label,
and as many are added where there are none. Models are trained on five folds, as `init-config` says.
`audit` ranks by the CRF's probabilities of whole entities, cleanlab
(`token_classification.rank`, Northcutt et al. 2021) by the probabilities that the same models give
each token's tag.

Both rank the same things: each annotated entity, and each token outside. cleanlab's score of an
entity is that of its worst token.

- Precision at N: of the N most suspect, the share that was changed; N is how many were changed.
- AUROC: how well suspicion ranks what was changed above the rest. 0.5 is chance.

Results go to benchmarks/audit/results/DATASET.json.
"""

import random
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from spacy.tokens import Doc, Span
from spacy.training import Example

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, read_all, summary
from benchmarks.harness.training import docs_of, write_docs
from spacy_bilstm_crf.data.corpus import unannotated
from spacy_bilstm_crf.workflows.audit.held_out import judged
from spacy_bilstm_crf.workflows.audit.suspects import ANNOTATED, suspects_of
from spacy_bilstm_crf.workflows.cross_validation.folds import Fold, trained_folds

DATASETS = ("ncbi-disease", "wnut17")
SHARE = 0.05  # of the entities
N_FOLDS = 5
SYSTEMS = {"ours": "`audit`", "cleanlab": "cleanlab"}
PlacedSpan = tuple[int, int, int, str]  # doc, first token, token after the last, label


class Changed(NamedTuple):
    """Docs whose annotation was changed.

    Attributes:
        docs: The docs with it.
        wrong: Entities that are annotated now and should not be.
        lost: Entities that were deleted.
        moved_from: Where entities were before they were moved.
    """

    docs: list[Doc]
    wrong: list[PlacedSpan]
    lost: list[PlacedSpan]
    moved_from: list[PlacedSpan]


def changed(docs: Sequence[Doc], seed: int) -> Changed:
    """Delete, move or relabel a share of the entities, and add as many."""
    rng = random.Random(seed)
    entities = [
        [(i, ent.start, ent.end, ent.label_) for ent in doc.ents] for i, doc in enumerate(docs)
    ]
    every = [entity for of_doc in entities for entity in of_doc]
    labels = sorted({label for *_, label in every})
    kinds = ["delete", "move", "label"] if len(labels) > 1 else ["delete", "move"]
    some = rng.sample(every, round(SHARE * len(every)))
    wrong: list[PlacedSpan] = []
    lost: list[PlacedSpan] = []
    moved_from: list[PlacedSpan] = []
    for number, entity in enumerate(some):
        i, start, end, label = entity
        kind = kinds[number % len(kinds)]
        others = [other for other in entities[i] if other != entity]
        new = entity
        if kind == "move":
            by = rng.choice([-1, 1])
            new = (i, start + by, end + by, label)
            if not _is_free(new, others, len(docs[i])):
                kind = "delete"
        if kind == "label":
            new = (i, start, end, rng.choice([other for other in labels if other != label]))
        entities[i] = others if kind == "delete" else [*others, new]
        if kind == "delete":
            lost.append(entity)
            continue
        wrong.append(new)
        if kind == "move":
            moved_from.append(entity)
    while len(wrong) + len(lost) < 2 * len(some):
        i = rng.randrange(len(docs))
        _, start, end, label = rng.choice(every)
        first = rng.randrange(max(1, len(docs[i])))
        new = (i, first, first + end - start, label)
        gone = [entity for entity in lost if entity[0] == i]
        if _is_free(new, [*entities[i], *gone], len(docs[i])):
            entities[i].append(new)
            wrong.append(new)
    copies = [doc.copy() for doc in docs]
    for copy, of_doc in zip(copies, entities):
        copy.ents = [Span(copy, start, end, label) for _, start, end, label in of_doc]
    return Changed(copies, wrong, lost, moved_from)


def _is_free(span: PlacedSpan, others: Sequence[PlacedSpan], n_tokens: int) -> bool:
    _, start, end, _ = span
    free = all(end <= other[1] or other[2] <= start for other in others)
    return start >= 0 and end <= n_tokens and free


class Unit(NamedTuple):
    """An annotated entity or a token outside: whether it was changed, and how suspect it is."""

    is_changed: bool
    ours: float
    cleanlab: float


def units_of(fold: Fold, changes: Changed) -> list[Unit]:
    """Return what is ranked in the docs of a fold, in tokens of the pipeline."""
    wrong, lost, moved_from = (
        _characters(spans, changes.docs)
        for spans in (changes.wrong, changes.lost, changes.moved_from)
    )
    units = []
    for i, gold, found, _ in judged(fold, changes.docs, "ner"):
        example = Example(unannotated(fold.nlp, changes.docs[i]), changes.docs[i])
        doc = example.predicted
        quality = token_quality(fold, example)
        suspects = suspects_of(i, gold, found)
        annotated = [s for s in suspects if s.kind == ANNOTATED]
        for suspect in annotated:
            start, end = suspect.entity.start, suspect.entity.end
            tokens = [t.i for t in doc if t.idx < end and start < t.idx + len(t)]
            is_changed = (start, end) in wrong.get(i, ())
            units.append(Unit(is_changed, suspect.rank, 1.0 - min(quality[t] for t in tokens)))
        covered = [(s.entity.start, s.entity.end) for s in annotated] + moved_from.get(i, [])
        others = [s for s in suspects if s.kind != ANNOTATED]
        for token in doc:
            if token.is_space or _covers(covered, token):
                continue
            ranks = [s.rank for s in others if _covers([s.entity[:2]], token)]
            is_changed = _covers(lost.get(i, ()), token)
            units.append(Unit(is_changed, max(ranks, default=0.0), 1.0 - quality[token.i]))
    return units


def _characters(
    spans: Sequence[PlacedSpan], docs: Sequence[Doc]
) -> dict[int, list[tuple[int, int]]]:
    """Return the character offsets of spans, by doc."""
    by_doc: dict[int, list[tuple[int, int]]] = {}
    for i, start, end, _ in spans:
        span = docs[i][start:end]
        by_doc.setdefault(i, []).append((span.start_char, span.end_char))
    return by_doc


def _covers(places: Sequence[tuple[int, int]], token: Any) -> bool:
    return any(token.idx < end and start < token.idx + len(token) for start, end in places)


def token_quality(fold: Fold, example: Example) -> list[float]:
    """Return cleanlab's score of each token's tag, which is low if the tag is probably wrong."""
    from cleanlab.token_classification.rank import get_label_quality_scores

    ner: Any = fold.nlp.get_pipe("ner")
    doc = example.predicted.copy()
    (probabilities,) = ner.token_probabilities([doc])
    ids = {tag: i for i, tag in enumerate(ner.tags)}
    tags = [ids.get(tag or "", -1) for tag in example.get_aligned_ner()]
    known = [i for i, tag in enumerate(tags) if tag >= 0]
    quality = [1.0] * len(doc)
    if known:
        _, (scores,) = get_label_quality_scores([[tags[i] for i in known]], [probabilities[known]])
        for i, score in zip(known, scores):
            quality[i] = float(score)
    return quality


def quality_of(units: Sequence[Unit], by: str) -> dict[str, float]:
    """Compute precision among the most suspect, and AUROC."""
    scores = np.array([getattr(unit, by) for unit in units])
    right = np.array([unit.is_changed for unit in units])
    first = np.argsort(-scores, kind="stable")[: right.sum()]
    return {"precision": float(right[first].mean()), "auroc": auroc(scores, right)}


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the share of pairs of a right and a wrong one in which the right one scores higher.

    Equal scores count half.

    Args:
        scores: Floats, shape (n,).
        right: Booleans, shape (n,).
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    n = right.sum()
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def run(dataset: str, seed: int) -> Run:
    """Change the annotation, train on folds, and score both rankings."""
    changes = changed(docs_of(CORPUS / dataset / "train"), seed)
    units: list[Unit] = []
    with temporary_folder() as folder:
        path = write_docs(changes.docs, folder / "train.spacy")
        config = folder / "config.cfg"
        spacy_command("bilstm-crf", "init-config", config, "--train", path, "--lang", "en")
        for fold in trained_folds(config, {"system.seed": seed}, changes.docs, N_FOLDS, seed=seed):
            units += units_of(fold, changes)
            print(f"{dataset}, seed {seed}: {len(units)} units", flush=True)
    return {
        "changed": sum(unit.is_changed for unit in units),
        "units": len(units),
        **{system: quality_of(units, system) for system in SYSTEMS},
    }


def summaries(runs: Sequence[Run]) -> dict[str, Any]:
    """Summarise the scores of each system over the seeds."""
    return {
        system: {
            measure: summary([run[system][measure] for run in runs])
            for measure in ("precision", "auroc")
        }
        for system in SYSTEMS
    }


def main(
    dataset: Annotated[str, typer.Argument(**command.one_of(DATASETS))],
    seeds: command.Seeds = command.ALL_SEEDS,
) -> None:
    """Run the seeds that the file lacks."""
    settings = {"dataset": dataset, "share": SHARE, "folds": N_FOLDS}
    file = Results(results_of("audit") / f"{dataset}.json", settings, ["seed"], summaries)
    file.fill([(seed,) for seed in seeds], lambda seed: run(dataset, seed))


def table() -> str:
    """Make the table of how well suspicion ranks what was changed."""
    rows = [["data", "seeds", "ranked by", "precision, %", "AUROC"]]
    results = read_all("audit")
    for result in results:
        n_runs = len(result["runs"])
        for system, name in SYSTEMS.items():
            precision, auroc = (result[system][key] for key in ("precision", "auroc"))
            percent = tables.mean({key: 100 * value for key, value in precision.items()}, n_runs)
            rows.append([result["dataset"], str(n_runs), name, percent, f"{auroc['mean']:.4f}"])
    return tables.markdown(*rows) + tables.measured(results)


TABLES = {"audit": table}

if __name__ == "__main__":
    command.run(main)
