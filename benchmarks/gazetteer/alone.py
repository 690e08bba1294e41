"""How far lists of names alone come: the longest names of the lists as entities.

    python -m spacy project run convert . --vars.dataset german-ler
    python -m spacy project run patterns . --vars.dataset german-ler
    python -m benchmarks.gazetteer.alone

Each list stands for the label that its names have in the annotation. What the lists bring to a
model is in benchmarks/data_size: `python -m benchmarks.data_size.run lists`. Results go to
benchmarks/gazetteer/results/german-ler.json.
"""

from pathlib import Path

import spacy
from spacy.scorer import PRFScore

from benchmarks.speed.timing import machine, write
from benchmarks.trainings import ROOT, docs_of
from spacy_bilstm_crf.data.corpus import unannotated
from spacy_bilstm_crf.data.patterns import read_patterns

DATASET = "german-ler"
RESULTS = Path(__file__).parent / "results"
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
    data = ROOT / "corpus" / DATASET
    nlp = spacy.blank("de")
    ruler = nlp.add_pipe("span_ruler", config={"annotate_ents": True, "spans_key": None})
    patterns = read_patterns(data / "patterns.jsonl")
    ruler.add_patterns(  # type: ignore[attr-defined]
        [{**pattern, "label": LABELS[pattern["label"]]} for pattern in patterns]
    )
    result: dict[str, dict[str, float]] = {}
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
        result[part] = {
            "p": 100 * all_labels.precision,
            "r": 100 * all_labels.recall,
            "f": 100 * all_labels.fscore,
            "r_of_the_lists_labels": 100 * of_lists.recall,
        }
        print(part, result[part])
    write(DATASET, {**machine("spacy"), "dataset": DATASET, **result}, RESULTS)


if __name__ == "__main__":
    main()
