"""Whether `audit` finds annotation that was changed on purpose, beside cleanlab's token scores.

    pip install -r benchmarks/audit/requirements.txt
    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.audit.run DATASET [--seeds 0 1 2]
    python -m benchmarks.tables    (puts the results into the docs)

DATASET is wnut17 or ncbi-disease. In its training part one of twenty entities is deleted, moved by
a token or given another label, and as many are added where there are none. Models are trained on
five folds, as `init-config` says. `audit` ranks by what the CRF knows of whole entities, cleanlab
(`token_classification.rank`, Northcutt et al. 2021) by the probabilities that the same models give
each token's tag.

What is ranked is the same for both: each annotated entity, and each token outside. cleanlab's score
of an entity is that of its worst token.

- precision at N: of the N most suspect, the share that was changed; N is how many were changed;
- AUROC, how well suspicion ranks what was changed above the rest: 0.5 is chance.

Results go to benchmarks/audit/results/DATASET.json.
"""

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
from cleanlab.token_classification.rank import get_label_quality_scores
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example

from benchmarks.trainings import ROOT, Results, Run, processor, spacy_command, summary
from spacy_bilstm_crf.data.corpus import unannotated
from spacy_bilstm_crf.workflows.audit.held_out import Fold, judged, trained_folds
from spacy_bilstm_crf.workflows.audit.suspects import ANNOTATED, suspects_of

RESULTS = Path(__file__).parent / "results"
SHARE = 0.05  # of the entities
N_FOLDS = 5
PlacedSpan = tuple[int, int, int, str]  # doc, first token, token after the last, label


class Changed(NamedTuple):
    """Annotation that was changed.

    Attributes:
        docs: The docs with it.
        wrong: Entities that are annotated now and should not be.
        lost: Entities that were deleted.
        moved_from: What entities covered that were moved.
    """

    docs: list[Doc]
    wrong: list[PlacedSpan]
    lost: list[PlacedSpan]
    moved_from: list[PlacedSpan]


def changed(docs: Sequence[Doc], seed: int) -> Changed:
    """Delete, move or relabel some entities, and add as many."""
    rng = random.Random(seed)
    entities = [
        [(i, ent.start, ent.end, ent.label_) for ent in doc.ents] for i, doc in enumerate(docs)
    ]
    labels = sorted({label for of_doc in entities for *_, label in of_doc})
    every = [entity for of_doc in entities for entity in of_doc]
    some = rng.sample(every, round(SHARE * len(every)))
    wrong: list[PlacedSpan] = []
    lost: list[PlacedSpan] = []
    moved_from: list[PlacedSpan] = []
    kinds = ["delete", "move", "label"] if len(labels) > 1 else ["delete", "move"]
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
        moved_from += [entity] if kind == "move" else []
    while len(wrong) + len(lost) < 2 * len(some):
        i = rng.randrange(len(docs))
        _, start, end, label = rng.choice(every)
        first = rng.randrange(max(1, len(docs[i])))
        new = (i, first, first + end - start, label)
        gone = [entity for entity in lost if entity[0] == i]
        if _is_free(new, [*entities[i], *gone], len(docs[i])):
            entities[i].append(new)
            wrong.append(new)
    new_docs = []
    for doc, of_doc in zip(docs, entities):
        copy = doc.copy()
        copy.ents = [Span(copy, start, end, label) for _, start, end, label in of_doc]
        new_docs.append(copy)
    return Changed(new_docs, wrong, lost, moved_from)


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
    """What is ranked in the docs of a fold, by the tokens of the pipeline."""
    wrong, lost, moved_from = (
        _characters(spans, changes.docs)
        for spans in (changes.wrong, changes.lost, changes.moved_from)
    )
    units = []
    for i, gold, found in judged(fold, changes.docs, "ner"):
        example = Example(unannotated(fold.nlp, changes.docs[i]), changes.docs[i])
        doc = example.predicted
        quality = token_quality(fold, example)
        suspects = suspects_of(i, gold, found)
        annotated = [s for s in suspects if s.kind == ANNOTATED]
        for suspect in annotated:
            start, end = suspect.entity.start, suspect.entity.end
            tokens = [t.i for t in doc if t.idx < end and start < t.idx + len(t)]
            units.append(
                Unit(
                    (start, end) in wrong.get(i, ()),
                    suspect.rank,
                    1.0 - min(quality[t] for t in tokens),
                )
            )
        covered = [(s.entity.start, s.entity.end) for s in annotated] + moved_from.get(i, [])
        others = [s for s in suspects if s.kind != ANNOTATED]
        for token in doc:
            if token.is_space or _covers(covered, token):
                continue
            ours = [s.rank for s in others if _covers([s.entity[:2]], token)]
            units.append(
                Unit(
                    _covers(lost.get(i, ()), token),
                    max(ours, default=0.0),
                    1.0 - quality[token.i],
                )
            )
    return units


def _characters(
    spans: Sequence[PlacedSpan], docs: Sequence[Doc]
) -> dict[int, list[tuple[int, int]]]:
    """Where spans are in their docs, doc by doc."""
    by_doc: dict[int, list[tuple[int, int]]] = {}
    for i, start, end, _ in spans:
        span = docs[i][start:end]
        by_doc.setdefault(i, []).append((span.start_char, span.end_char))
    return by_doc


def _covers(places: Sequence[tuple[int, int]], token: Any) -> bool:
    return any(token.idx < end and start < token.idx + len(token) for start, end in places)


def token_quality(fold: Fold, example: Example) -> list[float]:
    """cleanlab's score of each token's tag: low for one that is probably wrong."""
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


def judgement(units: Sequence[Unit], by: str) -> dict[str, float]:
    """Precision among the most suspect, and AUROC."""
    scores = np.array([getattr(unit, by) for unit in units])
    right = np.array([unit.is_changed for unit in units])
    n = int(right.sum())
    first = np.argsort(-scores, kind="stable")[:n]
    ranks = np.empty(len(scores))
    order = np.argsort(scores, kind="stable")
    _, start = np.unique(scores[order], return_index=True)
    ends = np.append(start[1:], len(scores))
    for low, high in zip(start, ends):
        ranks[order[low:high]] = (low + high + 1) / 2
    auroc = (ranks[right].sum() - n * (n + 1) / 2) / (n * (len(scores) - n))
    return {"precision": float(right[first].mean()), "auroc": float(auroc)}


def run(dataset: str, seed: int) -> Run:
    """Change the annotation, train on folds, and judge."""
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in Corpus(ROOT / "corpus" / dataset / "train")(nlp)]
    changes = changed(docs, seed)
    with tempfile.TemporaryDirectory() as temporary:
        path, config = Path(temporary) / "train.spacy", Path(temporary) / "config.cfg"
        DocBin(docs=changes.docs).to_disk(path)
        spacy_command("bilstm-crf", "init-config", config, "--train", path, "--lang", "en")
        units = []
        for fold in trained_folds(config, {"system.seed": seed}, changes.docs, N_FOLDS, seed=seed):
            units += units_of(fold, changes)
            print(f"{dataset}, seed {seed}: {len(units)} units", flush=True)
    return {
        "seed": seed,
        "processor": processor(),
        "changed": sum(unit.is_changed for unit in units),
        "units": len(units),
        "ours": judgement(units, "ours"),
        "cleanlab": judgement(units, "cleanlab"),
    }


def summaries(runs: Sequence[Run]) -> dict[str, Any]:
    """Of each system mean and deviation over the seeds."""
    return {
        system: {
            measure: summary([run[system][measure] for run in runs])
            for measure in ("precision", "auroc")
        }
        for system in ("ours", "cleanlab")
    }


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=["ncbi-disease", "wnut17"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    path = RESULTS / f"{arguments.dataset}.json"
    settings = {"dataset": arguments.dataset, "share": SHARE, "folds": N_FOLDS}
    results = Results(path, settings, ["seed"], summaries)
    for seed in arguments.seeds:
        if not results.has(seed):
            done = run(arguments.dataset, seed)
            results.add(done)
            print(done, flush=True)


if __name__ == "__main__":
    main()
