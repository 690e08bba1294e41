"""Scores of word lists alone: the longest names of the lists as entities.

    python -m spacy project run convert . --vars.dataset german-ler
    python -m spacy project run patterns . --vars.dataset german-ler
    python -m benchmarks.gazetteer

Each list stands for the label that its names have in the annotation. What the lists bring to a
model is measured by `python -m benchmarks.data_size lists`. Results go to
benchmarks/gazetteer/results/german-ler.json.
"""

from typing import Any

import spacy
from spacy.scorer import PRFScore

from benchmarks.data_size import A_TENTH, by_cell, over_seeds, size_of
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of
from benchmarks.harness.results import Run, machine, read, write
from benchmarks.harness.training import docs_of
from spacy_bilstm_crf.data.corpus import unannotated
from spacy_bilstm_crf.data.patterns import read_patterns

DATASET = "german-ler"
LABELS = {
    "firmennamen": "UN",
    "gesetzesnamen": "GS",
    "laendernamen": "LD",
    "landschaftsbezeichnungen": "LDS",
    "personennamen": "PER",
    "stadtnamen": "ST",
    "verordnungsnamen": "VO",
    "vorschriftennamen": "VS",
}


def main() -> None:
    """Score the lists on the development and the test part."""
    data = CORPUS / DATASET
    nlp = spacy.blank("de")
    ruler: Any = nlp.add_pipe("span_ruler", config={"annotate_ents": True, "spans_key": None})
    patterns = read_patterns(data / "patterns.jsonl")
    ruler.add_patterns([{**pattern, "label": LABELS[pattern["label"]]} for pattern in patterns])
    parts = {}
    for part in ("dev", "test"):
        all_labels, of_lists = PRFScore(), PRFScore()
        gold_docs = docs_of(data / part)
        for gold, found in zip(gold_docs, nlp.pipe(unannotated(nlp, doc) for doc in gold_docs)):
            wanted, got = (
                {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
                for doc in (gold, found)
            )
            all_labels.score_set(got, wanted)
            of_lists.score_set(got, {one for one in wanted if one[2] in LABELS.values()})
        parts[part] = {
            "p": 100 * all_labels.precision,
            "r": 100 * all_labels.recall,
            "f": 100 * all_labels.fscore,
            "r_of_the_lists_labels": 100 * of_lists.recall,
        }
        print(part, parts[part])
    write(
        results_of("gazetteer") / f"{DATASET}.json",
        {**machine("spacy"), "dataset": DATASET, **parts},
    )


def table() -> str:
    """Make the table of what word lists bring, beside the stock `ner` and the lists alone."""
    rows = [["sentences", "system", "dev F", "test F"]]
    names = {
        "ner": "spaCy's `ner`, efficiency config",
        "falling": "ours",
        "lists-0": "ours with the lists, `span_dropout = 0`",
        "lists": "ours with the lists",
    }
    shown: list[Run] = []
    for size in (1000, 0):
        for system, name in names.items():
            runs = by_cell(system).get((DATASET, size), [])
            if runs:
                shown += runs
                scores = [over_seeds(runs, part) for part in ("dev_f", "test_f")]
                name += tables.unrecorded(runs)
                rows.append([size_of((DATASET, size), runs), name, *scores])
    alone = read("gazetteer", DATASET)
    rows.append(["-", "the lists alone", *(f"{alone[part]['f']:.1f}" for part in ("dev", "test"))])
    return tables.markdown(*rows) + tables.measured(shown, A_TENTH)


TABLES = {"lists": table}

if __name__ == "__main__":
    command.run(main)
