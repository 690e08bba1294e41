"""The same data as whole documents and as sentences; and what a model gets from the document.

    python -m spacy project run convert . --vars.dataset four-domains
    python -m benchmarks.documents.run [--dataset four-domains] [--seeds 0 1 2]
        [--kinds documents sentences] [--systems "BiLSTM" "recurring words" ...]
        [--vectors FOLDER] [--models FOLDER] [--averaged]

Models are trained on documents or on their sentences, and chosen by dev data of the same kind. Each
then predicts the documents whole and sentence by sentence. A "document vector" of sentences is one
of the sentence. What is trained on sentences also predicts documents with `by_sentence`. The config
is configs/bilstm_crf.cfg, whose batches have so many words either way, with what is below for each
data set. One thread. Results go to benchmarks/documents/results/DATASET.json; seeds that are there
are not run again.

For conll2003, whose text is not free, three files of columns with -DOCSTART- lines are converted to
corpus/conll2003-documents with `bilstm-crf convert`.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Config

from benchmarks.accuracy.run import LOOKED_UP
from benchmarks.documents import known_sentences
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

RESULTS = Path(__file__).parent / "results"
KINDS = DOCUMENTS, SENTENCES = "documents", "sentences"
BY_SENTENCE = "documents by sentence"
# Of each data set: the steps, and other settings
DATASETS: dict[str, tuple[int, dict[str, Any]]] = {
    "four-domains": (1000, {}),
    # As configs/glove_char_cnn.cfg and the accuracy table have it
    "conll2003-documents": (
        8000,
        {"components.ner.model.hidden_width": 200, "components.ner.threshold": 0.5},
    ),
}


class System(NamedTuple):
    """What a system has that the config has not."""

    context: dict[str, bool] | None = None  # what DocumentContext adds
    depth: int = 1  # of the BiLSTM under the CRF
    lookups: bool = False
    by_sentence: bool = False  # the LSTM reads the sentences of the data one by one


RECURRING = {"recurring_words": True, "document_vector": False}
BOTH = {"recurring_words": True, "document_vector": True}
PLAIN = "BiLSTM"
SYSTEMS = {
    PLAIN: System(),
    "two BiLSTM layers": System(depth=2),
    "recurring words": System(RECURRING, depth=0),
    "document vector": System({"recurring_words": False, "document_vector": True}, depth=0),
    "recurring words, document vector": System(BOTH, depth=0),
    "recurring words, then a second BiLSTM": System(RECURRING, depth=1),
    "lookups": System(lookups=True),
    "lookups, recurring words": System(RECURRING, depth=0, lookups=True),
    "by sentence": System(by_sentence=True),
    "by sentence, recurring words": System(RECURRING, depth=0, by_sentence=True),
    "by sentence, recurring words, document vector": System(BOTH, depth=0, by_sentence=True),
}


def overrides_of(system: System, data: Path, hidden_width: int) -> dict[str, Any]:
    """Settings of a system."""
    embed = Config().from_disk(CONFIG)["components"]["ner"]["model"]["tok2vec"]
    overrides: dict[str, Any] = {
        "components.ner.model.depth": system.depth,
        "components.ner.model.by_sentence": system.by_sentence,
    }
    if system.by_sentence:
        overrides["code"] = known_sentences.__file__
        overrides["nlp.pipeline"] = ["known_sentences", "ner"]
        overrides["components.known_sentences"] = {"factory": "known_sentences", "data": str(data)}
        overrides["training.annotating_components"] = ["known_sentences"]
    if system.lookups:
        overrides["initialize.lookups"] = LOOKED_UP["initialize.lookups"]
        embed["attrs"] = LOOKED_UP["components.ner.model.tok2vec.attrs"]
    tok2vec = embed
    if system.context is not None:
        encoder = {
            "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
            "hidden_width": hidden_width,
            "embed": embed,
            "by_sentence": system.by_sentence,
        }
        tok2vec = {
            "@architectures": "spacy-bilstm-crf.DocumentContext.v1",
            "tok2vec": encoder,
            **system.context,
        }
    return {**overrides, "components.ner.model.tok2vec": tok2vec}


def as_kind(docs: list[Doc], kind: str) -> list[Doc]:
    """The docs, or each of their sentences as a doc."""
    if kind == DOCUMENTS:
        return docs
    sentences = [sentence.as_doc() for doc in docs for sentence in doc.sents]
    for sentence in sentences:
        # Which `as_doc` forgets: else the training would cut the words anew
        sentence.has_unknown_spaces = True
    return sentences


def part_of(dataset: str, part: str, kind: str) -> list[Doc]:
    """A part of the data."""
    return as_kind(docs_of(ROOT / "corpus" / dataset / part), kind)


def trained(dataset: str, system: str, kind: str, seed: int, vectors: Path, out: Path) -> Path:
    """Train a model on one kind; one that is there already is taken."""
    if (out / "model-best").exists():
        return out / "model-best"
    paths = {"vectors": vectors}
    for part in ("train", "dev"):
        paths[part] = out.with_name(f"{out.name}-{part}.spacy")
        docs = part_of(dataset, part, kind)
        DocBin(docs=docs, store_user_data=True).to_disk(paths[part])
    steps, settings = DATASETS[dataset]
    hidden_width = settings.get("components.ner.model.hidden_width", 128)
    settings = {
        **length(steps),
        **settings,
        **overrides_of(SYSTEMS[system], ROOT / "corpus" / dataset, hidden_width),
    }
    return train(CONFIG, paths, seed, settings, out).model


def scores(nlp: spacy.Language, dataset: str, kind: str) -> dict[str, float]:
    """F on dev and test, in percent."""
    found = {}
    for part in ("dev", "test"):
        docs = part_of(dataset, part, kind)
        examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
        found[f"{part}_f"] = 100 * nlp.evaluate(examples, batch_size=256)["ents_f"]
    return found


def by_sentence(model: Path, dataset: str) -> spacy.Language:
    """A model that was trained without it, reading the sentences of documents one by one."""
    config = {"components": {"ner": {"model": {"by_sentence": True}}}}
    nlp = spacy.load(model, config=config)
    data = str(ROOT / "corpus" / dataset)
    nlp.add_pipe("known_sentences", before="ner", config={"data": data})
    return nlp


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation of F, by system, what was trained on and what was predicted."""
    return summaries_of(runs, ("system", "trained", "predicted"), ("dev_f", "test_f"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="four-domains", choices=DATASETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--systems", nargs="+", default=SYSTEMS, choices=SYSTEMS)
    parser.add_argument("--kinds", nargs="+", default=[DOCUMENTS], choices=KINDS)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--models", type=Path, help="keep the models here")
    parser.add_argument("--averaged", action="store_true", help="the seeds as one model, too")
    given = parser.parse_args()
    about = {"dataset": given.dataset, "steps": DATASETS[given.dataset][0]}
    settings = {**about, "vectors": given.vectors.name}
    key = ["system", "trained", "seed", "predicted"]
    results = Results(RESULTS / f"{given.dataset}.json", settings, key, summaries)
    with tempfile.TemporaryDirectory(prefix="documents-") as temporary:
        folder = given.models or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)

        def model_of(system: str, kind: str, seed: int) -> Path:
            out = folder / f"{given.dataset}-{list(SYSTEMS).index(system)}-{kind}-{seed}"
            return trained(given.dataset, system, kind, seed, given.vectors, out)

        def add(system: str, kind: str, seed: int, predicted: str, nlp: spacy.Language) -> None:
            cell = {"system": system, "trained": kind, "seed": seed, "predicted": predicted}
            cell["processor"] = processor()
            of_kind = SENTENCES if predicted == SENTENCES else DOCUMENTS
            results.add({**cell, **scores(nlp, given.dataset, of_kind)})
            print(cell, flush=True)

        for seed, system, kind in product(given.seeds, given.systems, given.kinds):
            for predicted in KINDS:
                if not results.has(system, kind, seed, predicted):
                    add(system, kind, seed, predicted, spacy.load(model_of(system, kind, seed)))
            plain = kind == SENTENCES and SYSTEMS[system].context is None
            if plain and not results.has(system, kind, seed, BY_SENTENCE):
                nlp = by_sentence(model_of(system, kind, seed), given.dataset)
                add(system, kind, seed, BY_SENTENCE, nlp)
        for system in given.systems if given.averaged else ():
            name = f"{system}, averaged"
            for kind, predicted in product(given.kinds, KINDS):
                if not results.has(name, kind, given.seeds[0], predicted):
                    models = [str(model_of(system, kind, seed)) for seed in given.seeds]
                    add(name, kind, given.seeds[0], predicted, ensemble(models))


if __name__ == "__main__":
    main()
