"""The same data as whole documents and as sentences, and what a model gains from the document.

    python -m spacy project run convert . --vars.dataset four-domains
    python -m benchmarks.documents [--dataset four-domains] [--seed 0 --seed 1]
        [--kind documents --kind sentences] [--system "BiLSTM" --system "recurring words"]
        [--vectors FOLDER] [--models FOLDER] [--averaged]

Models are trained on documents or on their sentences, and chosen by dev data of the same kind. Each
then predicts the documents whole and sentence by sentence. A "document vector" of sentences is one
of the sentence. What is trained on sentences also predicts documents with `by_sentence`. The config
is configs/bilstm_crf.cfg, whose batches have the same number of words either way, with the settings
below for each data set. One thread. Results go to benchmarks/documents/results/DATASET.json. Runs
that the file has are not made again.

For conll2003, whose text is not free, three files of columns with -DOCSTART- lines are converted to
corpus/conll2003-documents with `bilstm-crf convert`.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

from benchmarks.accuracy import LOOKED_UP
from benchmarks.harness import command, tables
from benchmarks.harness.paths import (
    CORPUS,
    SHIPPED,
    VECTORS,
    results_of,
    temporary_folder,
)
from benchmarks.harness.results import Results, Run, read_all, summaries_of
from benchmarks.harness.training import docs_of, length, train, write_docs
from spacy_bilstm_crf.workflows import ensemble

KINDS = DOCUMENTS, SENTENCES = "documents", "sentences"
BY_SENTENCE = "documents by sentence"
AVERAGED = ", averaged"  # ends the name of a system whose seeds are one model
# The steps for each data set, and other settings
DATASETS: dict[str, tuple[int, dict[str, Any]]] = {
    "four-domains": (1000, {}),
    # As in configs/glove_char_cnn.cfg and the accuracy table
    "conll2003-documents": (
        8000,
        {"components.ner.model.hidden_width": 200, "components.ner.threshold": 0.5},
    ),
}


class System(NamedTuple):
    """What a system changes in the config.

    Attributes:
        context: What DocumentContext adds.
        depth: Layers of the BiLSTM under the CRF.
        lookups: Whether words have features from spacy-lookups-data.
        by_sentence: Whether the LSTM reads the sentences of the data one by one.
    """

    context: dict[str, bool] | None = None
    depth: int = 1
    lookups: bool = False
    by_sentence: bool = False


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
ALL_SYSTEMS, ONE_KIND = list(SYSTEMS), [DOCUMENTS]


def overrides_of(system: System, data: Path, hidden_width: int) -> dict[str, Any]:
    """Return the settings of a system."""
    tok2vec = Config().from_disk(SHIPPED)["components"]["ner"]["model"]["tok2vec"]
    overrides: dict[str, Any] = {
        "components.ner.model.depth": system.depth,
        "components.ner.model.by_sentence": system.by_sentence,
    }
    if system.by_sentence:
        overrides["code"] = __file__  # for the component below
        overrides["nlp.pipeline"] = ["known_sentences", "ner"]
        overrides["components.known_sentences"] = {"factory": "known_sentences", "data": str(data)}
        overrides["training.annotating_components"] = ["known_sentences"]
    if system.lookups:
        overrides["initialize.lookups"] = LOOKED_UP["initialize.lookups"]
        tok2vec["attrs"] = LOOKED_UP["components.ner.model.tok2vec.attrs"]
    if system.context is not None:
        encoder = {
            "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
            "hidden_width": hidden_width,
            "embed": tok2vec,
            "by_sentence": system.by_sentence,
        }
        tok2vec = {
            "@architectures": "spacy-bilstm-crf.DocumentContext.v1",
            "tok2vec": encoder,
            **system.context,
        }
    return {**overrides, "components.ner.model.tok2vec": tok2vec}


@Language.factory("known_sentences")
class KnownSentences:
    """Set the sentences of docs that are in a data set. Any other doc is one sentence.

    Args:
        nlp: The pipeline.
        name: Name of the component.
        data: Folder of the data set.
    """

    def __init__(self, nlp: Language, name: str, data: str):
        self.starts: dict[tuple[str, ...], list[bool]] = {
            tuple(token.text for token in doc): [bool(token.is_sent_start) for token in doc]
            for part in ("train", "dev", "test")
            for doc in docs_of(Path(data) / part)
        }

    def __call__(self, doc: Doc) -> Doc:
        """Set the sentences."""
        starts = self.starts.get(tuple(token.text for token in doc), [False] * len(doc))
        for token, starts_here in zip(doc, starts):
            token.is_sent_start = starts_here or token.i == 0
        return doc


def part_of(dataset: str, part: str, kind: str) -> list[Doc]:
    """Read a part of the data, as documents or with each sentence as a doc."""
    docs = docs_of(CORPUS / dataset / part)
    if kind == DOCUMENTS:
        return docs
    sentences = [sentence.as_doc() for doc in docs for sentence in doc.sents]
    for sentence in sentences:
        # `as_doc` does not keep this, and without it training would tokenize the text anew
        sentence.has_unknown_spaces = True
    return sentences


def trained(dataset: str, system: str, kind: str, seed: int, vectors: Path, out: Path) -> Path:
    """Train a model on one kind of docs, unless its folder exists."""
    if (out / "model-best").exists():
        return out / "model-best"
    paths = {"vectors": vectors}
    for part in ("train", "dev"):
        file = out.with_name(f"{out.name}-{part}.spacy")
        paths[part] = write_docs(part_of(dataset, part, kind), file)
    steps, settings = DATASETS[dataset]
    hidden_width = settings.get("components.ner.model.hidden_width", 128)
    of_system = overrides_of(SYSTEMS[system], CORPUS / dataset, hidden_width)
    return train(SHIPPED, paths, seed, {**length(steps), **settings, **of_system}, out).model


def scores(nlp: Language, dataset: str, kind: str) -> dict[str, float]:
    """Compute F on dev and test, in percent."""
    found = {}
    for part in ("dev", "test"):
        docs = part_of(dataset, part, kind)
        examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
        found[f"{part}_f"] = 100 * nlp.evaluate(examples, batch_size=256)["ents_f"]
    return found


def by_sentence(model: Path, dataset: str) -> Language:
    """Load a model that was trained without it, and have it read documents by sentence."""
    config = {"components": {"ner": {"model": {"by_sentence": True}}}}
    nlp = spacy.load(model, config=config)
    nlp.add_pipe("known_sentences", before="ner", config={"data": str(CORPUS / dataset)})
    return nlp


def summaries(runs: list[Run]) -> dict[str, Any]:
    """Summarise F by system, training data and predicted data."""
    return summaries_of(runs, ("system", "trained", "predicted"), ("dev_f", "test_f"))


def main(
    dataset: Annotated[str, typer.Option(**command.one_of(DATASETS))] = "four-domains",
    seeds: command.Seeds = command.ALL_SEEDS,
    systems: Annotated[
        list[str], typer.Option("--system", **command.one_of(SYSTEMS))
    ] = ALL_SYSTEMS,
    kinds: Annotated[list[str], typer.Option("--kind", **command.one_of(KINDS))] = ONE_KIND,
    vectors: command.Vectors = VECTORS,
    models: command.Models = None,
    average: command.Averaged = False,
) -> None:
    """Run what the file lacks."""
    settings = {"dataset": dataset, "steps": DATASETS[dataset][0], "vectors": vectors.name}
    key = ["system", "trained", "seed", "predicted"]
    file = Results(results_of("documents") / f"{dataset}.json", settings, key, summaries)
    with temporary_folder("documents-") as temporary:
        folder = models or temporary
        folder.mkdir(exist_ok=True, parents=True)

        def model_of(system: str, kind: str, seed: int) -> Path:
            out = folder / f"{dataset}-{list(SYSTEMS).index(system)}-{kind}-{seed}"
            return trained(dataset, system, kind, seed, vectors, out)

        def run(system: str, kind: str, seed: int, predicted: str) -> Run:
            if system.endswith(AVERAGED):
                system = system.removesuffix(AVERAGED)
                nlp = ensemble([model_of(system, kind, each) for each in seeds]).nlp
            elif predicted == BY_SENTENCE:
                nlp = by_sentence(model_of(system, kind, seed), dataset)
            else:
                nlp = spacy.load(model_of(system, kind, seed))
            return scores(nlp, dataset, SENTENCES if predicted == SENTENCES else DOCUMENTS)

        for seed, system, kind in product(seeds, systems, kinds):
            is_plain = kind == SENTENCES and SYSTEMS[system].context is None
            every = (*KINDS, BY_SENTENCE) if is_plain else KINDS
            file.fill([(system, kind, seed, predicted) for predicted in every], run)
        if average:
            names = [f"{system}{AVERAGED}" for system in systems]
            file.fill(product(names, kinds, seeds[:1], KINDS), run)


def kinds_table() -> str:
    """Make the table of the same data as documents and as sentences."""
    head = ["data", "trained on", "predicted", "seeds", "dev F", "test F"]
    results = read_all("documents")
    every_row = tables.summarised(results, "system", "trained", "predicted")
    rows = [[data, *row] for data, system, *row in every_row if system == PLAIN]
    return tables.markdown(head, *rows) + tables.measured(results)


def context_table() -> str:
    """Make the table of what a model gains from the document."""
    head = ["data", "trained on and predicted", "network", "seeds", "dev F", "test F"]
    results = read_all("documents")
    every_row = tables.summarised(results, "trained", "system", "predicted")
    rows = [
        [data, trained_on, system, *scores]
        for data, trained_on, system, predicted, *scores in every_row
        if predicted == trained_on
    ]
    return tables.markdown(head, *rows) + tables.measured(results)


TABLES = {"documents": kinds_table, "document_context": context_table}

if __name__ == "__main__":
    command.run(main)
