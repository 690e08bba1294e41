"""Write the model card of a pipeline: README.md beside it, and what it says in meta.json.

    python -m scripts.card DATASET PIPELINE TEST [--name bilstm_crf_wnut17]

What the data set is, its licence and what to use the pipeline for stand in scripts/pipelines.json.
Scores are those of the pipeline on the test part, with the intervals of `report`. `spacy package`
takes both files along.
"""

import json
from pathlib import Path
from typing import Any

import spacy
import typer
from spacy.training import Corpus
from wasabi import MarkdownRenderer

from benchmarks.harness.results import processor
from spacy_bilstm_crf.common.pages import interval, percent
from spacy_bilstm_crf.workflows import report

FACTS = Path(__file__).with_name("pipelines.json")


def with_interval(score: dict[str, float | None]) -> str:
    """A score in percent, with its 95 % interval."""
    return f"{percent(score['value'])} ({interval(score)})".removesuffix(" ()")


def scores_table(numbers: dict[str, Any]) -> str:
    """Precision, recall and F of all entities, and of each label."""
    rows = [
        (
            label,
            f"{of['gold']:,}",
            *(with_interval(of[name]) for name in ("precision", "recall", "f")),
        )
        for label, of in [("all", numbers["overall"]), *numbers["by_label"].items()]
    ]
    return MarkdownRenderer().table(rows, ("label", "annotated", "precision", "recall", "F"))


def card(package: str, facts: dict[str, Any], meta: dict[str, Any], numbers: dict[str, Any]) -> str:
    """The README of a pipeline.

    Args:
        package: Name of its package.
        facts: What scripts/pipelines.json says of the data set.
        meta: The pipeline's meta.
        numbers: What `report` has found.
    """
    error, by_chance = (100 * numbers["probabilities"][key] for key in ("ece", "ece_by_chance"))
    md = MarkdownRenderer()
    md.add(md.title(1, package))
    md.add(f"A named entity recognizer for {facts['texts']}: a BiLSTM-CRF for spaCy 3.8.")
    md.add(
        md.code_block(
            f"""import spacy

nlp = spacy.load("{package}")
for ent in nlp("...").ents:
    print(ent.text, ent.label_, ent._.confidence)""",
            "python",
        )
    )
    md.add(
        "It needs `spacy-bilstm-crf[onnx]`, and no PyTorch. `ent._.confidence` is the probability "
        "of an entity."
    )
    md.add(md.title(2, "Use"))
    md.add(f"{facts['use']} {facts['limits']}")
    md.add(md.title(2, "Data"))
    source = f"[{facts['data']}]({facts['url']})" if facts["url"] else facts["data"]
    n_vectors = meta["vectors"]["vectors"]
    vectors = (
        f" Word vectors: {n_vectors:,} words of GloVe 6B (public domain)." if n_vectors else ""
    )
    md.add(f"{source}. Licence of the data, and of this pipeline: {facts['license']}.{vectors}")
    md.add(md.title(2, "Scores"))
    md.add(f"On the test part, {numbers['n_docs']:,} documents, in percent with 95 % intervals:")
    md.add(scores_table(numbers))
    md.add(
        f"Probabilities of its entities are off by {error:.1f} in a hundred on average (expected "
        f"calibration error; by chance alone it would be {by_chance:.1f})."
    )
    md.add(
        f"It reads about {meta['performance']['speed']:,.0f} words a second in batches, with one "
        f"thread on this processor: {processor()}."
    )
    return md.text


def main(dataset: str, pipeline: Path, test: Path, name: str = "bilstm_crf_ner") -> None:
    """Write the card."""
    facts = json.loads(FACTS.read_text(encoding="utf8"))[dataset]
    nlp = spacy.load(pipeline)
    numbers = report(nlp, test).numbers
    nlp.meta["performance"] = nlp.evaluate(list(Corpus(test)(nlp)))
    path = pipeline / "meta.json"
    meta = json.loads(path.read_text(encoding="utf8"))
    meta.update(
        description=f"Entities in {facts['texts']}, by a BiLSTM-CRF",
        license=facts["license"],
        sources=[{"name": facts["data"], "url": facts["url"] or "", "license": facts["license"]}],
        performance=nlp.meta["performance"],
    )
    path.write_text(json.dumps(meta, indent=2), encoding="utf8")
    text = card(f"{nlp.lang}_{name}", facts, meta, numbers)
    (pipeline / "README.md").write_text(text + "\n", encoding="utf8")
    print(f"{pipeline / 'README.md'}: F {with_interval(numbers['overall']['f'])}")


if __name__ == "__main__":
    typer.run(main)
