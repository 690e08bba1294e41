"""Print a trained pipeline's scores, and test sentences with their entities marked.

    python scripts/show.py DATASET MODEL CORPUS METRICS

Below the scores stand those of spaCy's own `ner` and of ours on the same data, both without word
vectors, where benchmarks/data_size has them. Each entity has its probability behind its label.
"""

from pathlib import Path
from statistics import mean
from typing import Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Corpus
from wasabi import color, msg, table

RESULTS = Path(__file__).parent.parent / "benchmarks" / "data_size" / "results"
WITHOUT_VECTORS = {"ours *": "init-config", "spaCy's ner *": "ner"}
N_SENTENCES_A_FILE = 2


def scores_without_vectors(dataset: str, system: str) -> list[float] | None:
    """Test scores of a system on the whole data set, the mean over its seeds."""
    path = RESULTS / f"{system}.json"
    runs = srsly.read_json(path)["runs"] if path.exists() else []
    whole = [run for run in runs if run["dataset"] == dataset and run["size"] == 0]
    return [mean(run[f"test_{key}"] for run in whole) for key in "prf"] if whole else None


def print_scores(dataset: str, metrics: dict[str, Any]) -> None:
    """A table: all entities, each label, and both systems without word vectors."""
    rows = [("all", *(100 * metrics[f"ents_{key}"] for key in "prf"))]
    for label, scores in sorted(metrics["ents_per_type"].items()):
        rows.append((label, *(100 * scores[key] for key in "prf")))
    found = {name: scores_without_vectors(dataset, file) for name, file in WITHOUT_VECTORS.items()}
    known = {name: scores for name, scores in found.items() if scores is not None}
    rows += [(name, *scores) for name, scores in known.items()]
    data = [(name, *(f"{value:.1f}" for value in values)) for name, *values in rows]
    msg.divider("Test scores")
    print(table(data, header=("", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True))
    if known:
        print("* all labels, by other trainings: both without word vectors, which the one above")
        print("  has, and means over seeds (benchmarks/data_size)")


def marked(doc: Doc) -> str:
    """The text with each entity in brackets, followed by its label and probability."""
    parts = []
    position = 0
    for ent in doc.ents:
        parts.append(doc.text[position : ent.start_char])
        name = f"[{ent.text} {ent.label_} {ent._.confidence:.2f}]"
        parts.append(color(name, fg=16, bg="cyan", bold=True))
        position = ent.end_char
    return "".join([*parts, doc.text[position:]])


def spread(sentences: list[Span]) -> list[Span]:
    """A few of the sentences with more than one entity, from all over them."""
    full = [sentence for sentence in sentences if len(sentence.ents) > 1]
    return full[:: max(1, len(full) // N_SENTENCES_A_FILE)][:N_SENTENCES_A_FILE]


def sentences_of(path: Path, nlp: Language) -> list[str]:
    """A few of a file's sentences, as text."""
    docs = (example.reference for example in Corpus(path)(nlp))
    return [sent.text.strip() for sent in spread([sent for doc in docs for sent in doc.sents])]


def main(
    dataset: str = typer.Argument(..., help="Name of the data set"),
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    corpus: Path = typer.Argument(..., help="Folder of the test part, some of which is shown"),
    metrics: Path = typer.Argument(..., help="What `spacy evaluate` wrote of it"),
) -> None:
    """Print scores, sentences with their entities marked, and what to do next."""
    print_scores(dataset, srsly.read_json(metrics))
    nlp = spacy.load(model)
    msg.divider("Test sentences: [entity LABEL probability]")
    text = ""
    for path in sorted(corpus.glob("*.spacy")):
        print(f"{path.stem}:")
        for text in sentences_of(path, nlp):
            print(f"- {marked(nlp(text))}")
        print()
    msg.divider("Next")
    print(f"The pipeline is {model}; packages/{dataset}/ has a wheel of it. In .venv/bin/python:\n")
    print(f'  import spacy\n\n  nlp = spacy.load("{model}")\n  for ent in nlp({text!r}).ents:')
    print("      print(ent.text, ent.label_, ent._.confidence)\n")
    if model.name == "model-best":
        print("Its probabilities are as trained, mostly too high. Calibrate them, and then load")
        print(f"{model.with_name('model-calibrated')}:\n\n  source .venv/bin/activate")
        print(f"  python -m spacy project run calibrate . --vars.dataset {dataset}\n")
    print("Train your own, with entities in train.spacy and dev.spacy, as in the README:\n")
    print("  source .venv/bin/activate")
    print("  python -m spacy bilstm-crf init-config my.cfg --train train.spacy --dev dev.spacy \\")
    print("    --vectors glove  # for English")
    print("  python -m spacy train my.cfg --output my_training")


if __name__ == "__main__":
    typer.run(main)
