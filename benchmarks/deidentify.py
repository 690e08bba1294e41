"""What is left of names in a text after Presidio, with the threshold of `calibrate --recall`.

    python -m spacy project run convert . --vars.dataset wnut17
    python -m benchmarks.deidentify [--seed 0]

A model is trained as `init-config` says, on 1,000 sentences. The development and the test part are
each cut into halves, 100 times at random: on one half the threshold for candidates of the label is
found. The texts of the other go through Presidio's analyzer, with the engine of this package and
this threshold, and its anonymizer, which masks characters one by one. For each part and each recall
that is asked for, the mean over the cuts of:

- what is missed: of each document with names, the share of them that are not candidates themselves.
  Apart from the error of so few cuts, it must be at most 1 - recall;
- what is left: the same of names of which at least one letter can be read afterwards;
- the share of all letters that are masked.

Results go to benchmarks/deidentify/results/wnut17.json.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig
from presidio_anonymizer.entities import RecognizerResult as Masked
from spacy.tokens import Doc, Span
from spacy.training import Corpus

from benchmarks.data_size import trained_on_part
from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import processor, read_all, write
from spacy_bilstm_crf.common.pipelines import load_pipeline
from spacy_bilstm_crf.decoding import LEAST_PROBABILITY
from spacy_bilstm_crf.inference.candidates import LONGEST_CANDIDATE
from spacy_bilstm_crf.integrations.presidio import BiLSTMCRFNlpEngine
from spacy_bilstm_crf.workflows.risk_control import (
    ScoredDoc,
    control_risk,
    probabilities_of,
    scored_docs,
)

DATASET, LABEL, ENTITY = "wnut17", "person", "PERSON"
SIZE = 1000  # sentences
RECALLS = (0.8, 0.9, 0.95)
N_CUTS = 100
MASK = "\N{FULL BLOCK}"
ALL_OF_IT = {"type": "mask", "masking_char": MASK, "chars_to_mask": 10**9, "from_end": False}


class Text(NamedTuple):
    """A document with its annotated names, and what Presidio's analyzer starts from."""

    doc: Doc
    scored: ScoredDoc
    artifacts: NlpArtifacts

    @property
    def names(self) -> list[Span]:
        """The annotated names, by their characters."""
        return [ent for ent in self.doc.ents if ent.label_ == LABEL]


class Presidio:
    """Presidio's analyzer and anonymizer for a pipeline, with all of its candidates."""

    def __init__(self, model: Path) -> None:
        self.nlp = load_pipeline(model)
        ner: Any = self.nlp.get_pipe("ner")
        ner.candidates_threshold = LEAST_PROBABILITY
        ner.candidates_max_length = LONGEST_CANDIDATE
        given = {"lang_code": "en", "model_name": self.nlp, "candidates": True}
        mapping = NerModelConfiguration(model_to_presidio_entity_mapping={LABEL: ENTITY})
        self.engine = BiLSTMCRFNlpEngine([given], mapping)
        self.analyzer = AnalyzerEngine(nlp_engine=self.engine)
        self.anonymizer = AnonymizerEngine()

    def texts(self, part: Path) -> list[Text]:
        """Read the documents of a part of the data."""
        ner: Any = self.nlp.get_pipe("ner")
        examples = list(Corpus(part)(self.nlp))
        scored = scored_docs(ner, examples, LONGEST_CANDIDATE)
        docs = [example.reference for example in examples]
        artifacts = [self.engine.process_text(doc.text, "en") for doc in docs]
        return [Text(*each) for each in zip(docs, scored, artifacts, strict=True)]

    def masked(self, text: Text, threshold: float) -> str:
        """Return a text as the anonymizer leaves it, with masked characters in their places."""
        found = self.analyzer.analyze(
            text.doc.text,
            "en",
            entities=[ENTITY],
            score_threshold=threshold,
            nlp_artifacts=text.artifacts,
        )
        results = [Masked(one.entity_type, one.start, one.end, one.score) for one in found]
        operators = {"DEFAULT": OperatorConfig("mask", ALL_OF_IT)}
        return str(self.anonymizer.anonymize(text.doc.text, results, operators).text)


def cut(presidio: Presidio, texts: list[Text], recall: float, order: np.ndarray) -> dict[str, Any]:
    """Find the threshold on one half of the documents, and mask the other."""
    fitted, checked = ([texts[i] for i in half] for half in np.array_split(order, 2))
    control = control_risk(probabilities_of([text.scored for text in fitted], LABEL), recall)
    missed, left, n_masked, n_letters = [], [], 0, 0
    for text in checked:
        masked = presidio.masked(text, control.threshold)
        n_masked += masked.count(MASK)
        n_letters += len(masked)
        if text.names:
            p = [p for label, p in text.scored.gold if label == LABEL]
            missed.append(np.mean([each < control.threshold for each in p]))
            parts = [masked[name.start_char : name.end_char] for name in text.names]
            left.append(np.mean([any(map(str.isalnum, part)) for part in parts]))
    return {
        "missed": float(np.mean(missed)),
        "left": float(np.mean(left)),
        "masked": n_masked / n_letters,
    }


def main(seed: Annotated[int, typer.Option(help="Seed of the training")] = 0) -> None:
    """Train a model, and cut the held-out parts."""
    with temporary_folder() as folder:
        presidio = Presidio(trained_on_part(DATASET, SIZE, seed, folder))
        parts = {}
        for name in ("dev", "test"):
            texts = presidio.texts(CORPUS / DATASET / name)
            orders = [np.random.default_rng(i).permutation(len(texts)) for i in range(N_CUTS)]
            rows = []
            for recall in RECALLS:
                found = [cut(presidio, texts, recall, order) for order in orders]
                means = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
                rows.append({"recall": recall, **means})
            n_docs = sum(bool(text.names) for text in texts)
            parts[name] = {"docs": len(texts), "docs_with_names": n_docs, "rows": rows}
    settings = {"dataset": DATASET, "seed": seed, "threads": 1, "splits": N_CUTS}
    result = {**settings, "processor": processor(), **parts}
    write(results_of("deidentify") / f"{DATASET}.json", result)


def table() -> str:
    """Make the table of what is left of names."""
    rows = [["data", "documents with names", "bound", "missed", "left", "text masked"]]
    results = read_all("deidentify")
    for result in results:
        for part in ("dev", "test"):
            n_docs = f"{result[part]['docs_with_names']:,}"
            for row in result[part]["rows"]:
                shares = (1 - row["recall"], row["missed"], row["left"], row["masked"])
                cells = [f"{100 * shares[0]:.0f} %", *(f"{100 * x:.1f} %" for x in shares[1:])]
                rows.append([f"{result['dataset']}, {part}", n_docs, *cells])
    splits = ", ".join(sorted({f"{result['splits']}" for result in results}))
    return tables.markdown(*rows) + tables.measured(results, f"Means of {splits} splits.")


TABLES = {"deidentify": table}

if __name__ == "__main__":
    command.run(main)
