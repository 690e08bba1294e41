"""Two recognizers of some labels each, merged, against one of all labels.

    python -m spacy project run convert . --vars.dataset four-domains
    python -m benchmarks.merging.run [--seeds 0 1 2] [--steps 1000] [--vectors FOLDER]

All are configs/bilstm_crf.cfg, trained on the same sentences with the annotation of their labels
alone; the model of each training is the one that is best on dev. "One after the other" is spaCy's
own way: the second keeps what the first found. "Merged" are the candidates of both, by
`entity_merger` with its default settings. "Averaged" are all seeds' recognizers of all labels, by
`ensemble`. One thread. Results go to benchmarks/merging/results/four-domains.json; nothing is run
if they are there.
"""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from benchmarks.trainings import (
    ROOT,
    VECTORS,
    Results,
    Run,
    docs_of,
    length,
    processor,
    summaries_of,
    train,
)
from benchmarks.tune.run import CONFIG
from spacy_bilstm_crf.workflows import ensemble

DATASET = "four-domains"
RESULTS = Path(__file__).parent / "results"
LEAST = 0.05  # probability of a candidate
AFTER, MERGED, ALL = "one after the other", "merged", "one of all labels"
AVERAGED = "one of all labels, averaged"


def with_labels(docs: Iterable[Doc], labels: Sequence[str]) -> list[Doc]:
    """The docs with the entities of some labels; others are outside."""
    found = []
    for doc in docs:
        kept = doc.copy()
        kept.ents = [ent for ent in doc.ents if ent.label_ in labels]
        found.append(kept)
    return found


def trained(labels: Sequence[str], seed: int, steps: int, vectors: Path, out: Path) -> Language:
    """A recognizer of some labels."""
    paths = {"vectors": vectors}
    for part in ("train", "dev"):
        docs = with_labels(docs_of(ROOT / "corpus" / DATASET / part), labels)
        paths[part] = out.with_name(f"{out.name}-{part}.spacy")
        DocBin(docs=docs, store_user_data=True).to_disk(paths[part])
    return spacy.load(train(CONFIG, paths, seed, length(steps), out).model)


def together(one: Language, other: Language, merge: bool) -> Language:
    """Both in one pipeline."""
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


def f_of(nlp: Language) -> dict[str, float]:
    """F on dev and test, in percent."""
    found = {}
    for part in ("dev", "test"):
        examples = list(Corpus(ROOT / "corpus" / DATASET / part)(nlp))
        found[f"{part}_f"] = 100 * nlp.evaluate(examples, batch_size=256)["ents_f"]
    return found


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation of F of each way."""
    return summaries_of(runs, ("what",), ("dev_f", "test_f"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    given = parser.parse_args()
    docs = docs_of(ROOT / "corpus" / DATASET / "train")
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    halves = (labels[::2], labels[1::2])
    about = {"dataset": DATASET, "steps": given.steps, "vectors": given.vectors.name}
    settings = {**about, "halves": [list(half) for half in halves]}
    results = Results(RESULTS / f"{DATASET}.json", settings, ["seed", "what"], summaries)
    if results.has(given.seeds[0], AVERAGED):
        return

    def add(seed: int, what: str, nlp: Language) -> None:
        cell = {"seed": seed, "what": what, "processor": processor()}
        results.add({**cell, **f_of(nlp)})
        print(cell, flush=True)

    with tempfile.TemporaryDirectory(prefix="merging-") as temporary:
        folders = []
        for seed in given.seeds:
            folders.append(Path(temporary) / f"{seed}-2")
            one, other, every = (
                trained(some, seed, given.steps, given.vectors, Path(temporary) / f"{seed}-{n}")
                for n, some in enumerate((*halves, labels))
            )
            add(seed, AFTER, together(one, other, merge=False))
            add(seed, MERGED, together(one, other, merge=True))
            add(seed, ALL, every)
        models = [str(folder / "model-best") for folder in folders]
        add(given.seeds[0], AVERAGED, ensemble(models))


if __name__ == "__main__":
    main()
