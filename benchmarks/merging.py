"""Two recognizers of some labels each, merged, against one of all labels.

    python -m spacy project run convert . --vars.dataset four-domains
    python -m benchmarks.merging [--seed 0 --seed 1] [--steps 1000] [--vectors FOLDER]

All are of configs/bilstm_crf.cfg, trained on the same sentences with the annotation of their labels
alone; the model of each training is the one that is best on dev. "One after the other" is spaCy's
own way: the second keeps what the first found. "Merged" joins the candidates of both, by
`entity_merger` with its default settings. "Averaged" is the `ensemble` of all seeds' recognizers of
all labels. One thread. Results go to benchmarks/merging/results/four-domains.json. Nothing is run
if the file has them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, SHIPPED, VECTORS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import docs_of, length, scored, train, write_docs
from spacy_bilstm_crf.workflows import ensemble

DATA = CORPUS / "four-domains"
LEAST = 0.05  # probability of a candidate
AFTER, MERGED, ALL = "one after the other", "merged", "one of all labels"
AVERAGED = "one of all labels, averaged"


def with_labels(docs: Iterable[Doc], labels: Sequence[str]) -> list[Doc]:
    """Return copies of docs with the entities of some labels; other entities are outside."""
    found = []
    for doc in docs:
        kept = doc.copy()
        kept.ents = [ent for ent in doc.ents if ent.label_ in labels]
        found.append(kept)
    return found


def trained(labels: Sequence[str], seed: int, steps: int, vectors: Path, out: Path) -> Path:
    """Train a recognizer of some labels."""
    paths = {"vectors": vectors}
    for part in ("train", "dev"):
        docs = with_labels(docs_of(DATA / part), labels)
        paths[part] = write_docs(docs, out.with_name(f"{out.name}-{part}.spacy"))
    return train(SHIPPED, paths, seed, length(steps), out).model


def together(one: Language, other: Language, merge: bool) -> Language:
    """Make a pipeline of two recognizers."""
    nlp = spacy.blank("en", vocab=one.vocab)
    for name, source in (("one", one), ("other", other)):
        ner: Any = source.get_pipe("ner")
        ner.candidates_threshold, ner.candidates_key = LEAST, name
        nlp.add_pipe("ner", name=name, source=source)
        if merge and name == "one":
            nlp.add_pipe("entities_to_spans", config={"spans_key": "aside"})
    if merge:
        nlp.add_pipe("entity_merger", config={"sources": {"one": {}, "other": {}}})
    return nlp


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise F by way."""
    return summaries_of(runs, ("what",), ("dev_f", "test_f"))


def main(
    seeds: command.Seeds = command.ALL_SEEDS,
    steps: command.Steps = 1000,
    vectors: command.Vectors = VECTORS,
) -> None:
    """Train and score all recognizers."""
    labels = sorted({ent.label_ for doc in docs_of(DATA / "train") for ent in doc.ents})
    halves = (labels[::2], labels[1::2])
    settings = {"dataset": DATA.name, "steps": steps, "vectors": vectors.name}
    settings["halves"] = [list(half) for half in halves]
    file = Results(
        results_of("merging") / f"{DATA.name}.json", settings, ["seed", "what"], summaries
    )
    if file.has(seeds[0], AVERAGED):
        return
    with temporary_folder("merging-") as folder:
        of_all_labels = []
        for seed in seeds:
            one, other, every = (
                trained(some, seed, steps, vectors, folder / f"{seed}-{n}")
                for n, some in enumerate((*halves, labels))
            )
            of_all_labels.append(every)
            for what, merge in ((AFTER, False), (MERGED, True)):
                nlp = together(spacy.load(one), spacy.load(other), merge)
                file.record((seed, what), scored(nlp, DATA))
            file.record((seed, ALL), scored(every, DATA))
        if len(seeds) > 1:
            file.record((seeds[0], AVERAGED), scored(ensemble(of_all_labels).nlp, DATA))


def table() -> str:
    """Make the table of two recognizers merged, against one, and the mean of several."""
    head = ["data", "recognizers", "seeds", "dev F", "test F"]
    results = read_all("merging")
    return tables.markdown(head, *tables.summarised(results, "what")) + tables.measured(results)


TABLES = {"merging": table}

if __name__ == "__main__":
    command.run(main)
