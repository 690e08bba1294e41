"""The same data as whole documents and as sentences, in training and in prediction.

    python -m spacy project run convert . --vars.dataset four-domains
    python -m benchmarks.documents.run [--seeds 0 1 2] [--steps 1000] [--vectors FOLDER]

Models are trained on documents or on their sentences, and chosen by dev data of the same kind. Each
then predicts the test documents whole and sentence by sentence. The config is
configs/bilstm_crf.cfg, whose batches have so many words either way. One thread. Results go to
benchmarks/documents/results/four-domains.json; seeds that are there are not run again.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

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

DATASET = "four-domains"
RESULTS = Path(__file__).parent / "results"
DOCUMENTS, SENTENCES = "documents", "sentences"


def as_kind(docs: List[Doc], kind: str) -> List[Doc]:
    """The docs, or each of their sentences as a doc."""
    if kind == DOCUMENTS:
        return docs
    return [sentence.as_doc() for doc in docs for sentence in doc.sents]


def part_of(part: str, kind: str) -> List[Doc]:
    """A part of the data."""
    return as_kind(docs_of(ROOT / "corpus" / DATASET / part), kind)


def run(kind: str, seed: int, steps: int, vectors: Path) -> List[Run]:
    """Train on one kind, and predict both."""
    with tempfile.TemporaryDirectory(prefix="documents-") as temporary:
        paths = {"vectors": vectors}
        for part in ("train", "dev"):
            paths[part] = Path(temporary) / f"{part}.spacy"
            DocBin(docs=part_of(part, kind), store_user_data=True).to_disk(paths[part])
        model = train(CONFIG, paths, seed, length(steps), Path(temporary) / "out").model
        nlp = spacy.load(model)
    found = []
    for other in (DOCUMENTS, SENTENCES):
        scores = {}
        for part in ("dev", "test"):
            docs = part_of(part, other)
            examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
            scores[f"{part}_f"] = 100 * nlp.evaluate(examples, batch_size=256)["ents_f"]
        cell = {"trained": kind, "seed": seed, "predicted": other, "processor": processor()}
        found.append({**cell, **scores})
    return found


def summaries(runs: List[Run]) -> Dict[str, Any]:
    """Mean and standard deviation of F, by what was trained on and what was predicted."""
    return summaries_of(runs, ("trained", "predicted"), ("dev_f", "test_f"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    given = parser.parse_args()
    settings = {"dataset": DATASET, "steps": given.steps, "vectors": given.vectors.name}
    path = RESULTS / f"{DATASET}.json"
    results = Results(path, settings, ["trained", "seed", "predicted"], summaries)
    for seed in given.seeds:
        for kind in (DOCUMENTS, SENTENCES):
            if not results.has(kind, seed, SENTENCES):
                for each in run(kind, seed, given.steps, given.vectors):
                    results.add(each)
                    print(each, flush=True)


if __name__ == "__main__":
    main()
