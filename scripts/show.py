"""Print a trained pipeline's scores and some test sentences with their entities marked.

python scripts/show.py MODEL_FOLDER TEST_CORPUS METRICS_JSON
"""

import sys

import spacy
import srsly
from spacy.tokens import Doc
from spacy.training import Corpus
from wasabi import color, msg, table

N_SENTENCES = 8


def mark(doc: Doc) -> str:
    """The text with each entity in brackets, followed by its label."""
    parts = []
    position = 0
    for ent in doc.ents:
        parts.append(doc.text[position : ent.start_char])
        parts.append(color(f"[{ent.text} {ent.label_}]", fg=16, bg="cyan", bold=True))
        position = ent.end_char
    return "".join([*parts, doc.text[position:]])


def main(model: str, corpus: str, metrics: str) -> None:
    """Print the scores in the JSON file, then sentences spread over the corpus."""
    scores = srsly.read_json(metrics)
    rows = [("all", scores["ents_p"], scores["ents_r"], scores["ents_f"])]
    rows += [(name, s["p"], s["r"], s["f"]) for name, s in sorted(scores["ents_per_type"].items())]
    msg.divider("Test scores")
    percent = [(name, *(f"{100 * value:.1f}" for value in values)) for name, *values in rows]
    print(table(percent, header=("", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True))

    nlp = spacy.load(model)
    references = (eg.reference for eg in Corpus(corpus)(nlp))
    sentences = [sent for doc in references for sent in doc.sents if len(sent.ents) >= 2]
    chosen = sentences[:: max(1, len(sentences) // N_SENTENCES)][:N_SENTENCES]
    msg.divider("Test sentences, with the entities that were found")
    for sentence in chosen:
        words = [token.text for token in sentence]
        print(f"- {mark(nlp(Doc(nlp.vocab, words=words)))}\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
