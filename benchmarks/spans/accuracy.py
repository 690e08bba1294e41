"""Entities that overlap: ours, spaCy's `spancat`, and a stock `ner` for each group of labels.

    git clone https://github.com/matirojasg/nested-ner-mlc
    python -m benchmarks.spans.accuracy SYSTEM --checkout nested-ner-mlc [--corpus genia]
        [--size 3000] [--seed 0]

SYSTEM is one of:

- `ours`, as `init-config --overlapping` sets it up
- `spancat`, by spaCy's efficiency config, with all spans of up to ten words
- `span-finder`, the same with the spans that spaCy's `span_finder` suggests
- `ner`, a pipeline by spaCy's efficiency config for each group of labels that don't overlap
- `published`, what the paper's separate LSTM-CRFs predicted, with word vectors and contextual
  embeddings, which the other systems don't have

Size 0 is the whole; the sentences of a smaller part are the same for all systems and seeds. The dev
and test parts are whole, and the model is the one that is best on dev. One thread for each
training. Results go to benchmarks/spans/results/SYSTEM.json. Runs that the file has are not made
again.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from spacy.tokens import Doc
from spacy.util import load_config

from benchmarks.harness import command, tables
from benchmarks.harness.paths import results_of, temporary_folder
from benchmarks.harness.processes import spacy_command
from benchmarks.harness.results import Results, Run, grouped, read, read_all, summary
from benchmarks.harness.training import stock_config, train, write_docs
from benchmarks.spans.corpora import CORPORA, KEY, Entities, Sentence, docs_of, published
from benchmarks.spans.corpora import read as read_part

ALL_CORPORA = list(CORPORA)
SIZES = [3000, 0]
LONGEST_SUGGESTED = 10  # words
PARTS = ("train", "dev", "test")


class Trained(NamedTuple):
    """What a system's pipelines find, and their processor time in training."""

    entities: dict[str, list[Entities]]  # of the dev and test part
    cpu_seconds: float


class Data(NamedTuple):
    """The sentences of the parts, and their language."""

    lang: str
    parts: dict[str, list[Sentence]]

    @classmethod
    def of(cls, checkout: Path, corpus: str, size: int) -> "Data":
        """Read a corpus, with so many sentences of its training part, or all for 0."""
        parts = {part: read_part(checkout, corpus, part) for part in PARTS}
        if size:
            parts["train"] = random.Random(0).sample(parts["train"], size)
        return cls(CORPORA[corpus].lang, parts)

    def written(self, folder: Path, group: str | None = None) -> dict[str, Path]:
        """Write the training and dev parts, with one group of labels or all: see `docs_of`."""
        return {
            part: write_docs(docs_of(self.parts[part], self.lang, group), folder / f"{part}.spacy")
            for part in ("train", "dev")
        }

    def found_by(self, model: Path) -> dict[str, list[Entities]]:
        """Return the entities that a pipeline finds in the dev and test parts."""
        nlp = spacy.load(model)
        return {
            part: [
                _entities(doc)
                for doc in nlp.pipe(Doc(nlp.vocab, words=s.words) for s in self.parts[part])
            ]
            for part in ("dev", "test")
        }


def _entities(doc: Doc) -> Entities:
    # A group that is empty counts, too
    spans = doc.spans.get(KEY, doc.ents)
    return {(span.start, span.end, span.label_) for span in spans}


def our_config(data: Data, train_part: Path, config: Path) -> None:
    """Write what `init-config` makes for the part."""
    options = ("--lang", data.lang, "--overlapping", "--spans-key", KEY)
    spacy_command("bilstm-crf", "init-config", config, "--train", train_part, *options)


def spancat_config(data: Data, train_part: Path, config: Path) -> None:
    """Write spaCy's efficiency config of `spancat`, with longer spans than its default."""
    stock_config(config, "efficiency", data.lang, "spancat")
    settings = load_config(config)
    sizes = list(range(1, LONGEST_SUGGESTED + 1))
    settings["components"]["spancat"]["suggester"]["sizes"] = sizes
    settings.to_disk(config)


def span_finder_config(data: Data, train_part: Path, config: Path) -> None:
    """Write spaCy's efficiency config of `spancat` behind `span_finder`."""
    stock_config(config, "efficiency", data.lang, "span_finder,spancat")
    settings = load_config(config)
    suggester = {"@misc": "spacy.preset_spans_suggester.v1", "spans_key": KEY}
    settings["components"]["spancat"]["suggester"] = suggester
    settings["training"]["annotating_components"] = ["span_finder"]
    settings.to_disk(config)


def trained(
    write_config: Callable[[Data, Path, Path], None], data: Data, seed: int, folder: Path
) -> Trained:
    """Train a pipeline that finds all entities."""
    paths = data.written(folder)
    write_config(data, paths["train"], folder / "config.cfg")
    done = train(folder / "config.cfg", paths, seed, {}, folder / "out")
    return Trained(data.found_by(done.model), done.cpu_seconds)


def separately_trained(data: Data, seed: int, folder: Path) -> Trained:
    """Train a stock `ner` for each group of labels."""
    config = stock_config(folder / "config.cfg", "efficiency", data.lang)
    entities: dict[str, list[Entities]] = {
        part: [set() for _ in data.parts[part]] for part in ("dev", "test")
    }
    seconds = 0.0
    for group in data.parts["train"][0].groups:
        paths = data.written(folder, group)
        done = train(config, paths, seed, {}, folder / group)
        seconds += done.cpu_seconds
        for part, found in data.found_by(done.model).items():
            entities[part] = [one | other for one, other in zip(entities[part], found)]
    return Trained(entities, seconds)


SYSTEMS: dict[str, Callable[[Data, int, Path], Trained]] = {
    "ours": partial(trained, our_config),
    "spancat": partial(trained, spancat_config),
    "span-finder": partial(trained, span_finder_config),
    "ner": separately_trained,
}
PUBLISHED = "published"


def overlapping(entities: Entities) -> Entities:
    """Return the entities that share a word with another one."""
    return {
        one
        for one in entities
        if any(one != other and one[0] < other[1] and other[0] < one[1] for other in entities)
    }


def f_score(gold: Iterable[Entities], found: Iterable[Entities]) -> float:
    """Return F in percent, 0 if nothing is right."""
    n_right = n_gold = n_found = 0
    for of_gold, of_found in zip(gold, found, strict=True):
        n_right += len(of_gold & of_found)
        n_gold += len(of_gold)
        n_found += len(of_found)
    return 200 * n_right / (n_gold + n_found) if n_right else 0.0


def overlap_f_score(gold: list[Entities], found: list[Entities], among: bool) -> float:
    """Return F of the entities that overlap others, or of those that don't, in percent.

    Recall is that of the annotated entities that overlap another annotated one, precision that of
    the found ones that overlap another found one.
    """

    def chosen(entities: Entities) -> Entities:
        return overlapping(entities) if among else entities - overlapping(entities)

    counts = [0, 0, 0, 0]
    for of_gold, of_found in zip(gold, found, strict=True):
        gold_here, found_here = chosen(of_gold), chosen(of_found)
        right = (gold_here & of_found, gold_here, found_here & of_gold, found_here)
        counts = [count + len(here) for count, here in zip(counts, right)]
    recall, precision = (counts[i] / counts[i + 1] if counts[i + 1] else 0.0 for i in (0, 2))
    return 200 * recall * precision / (recall + precision) if recall + precision else 0.0


def scores(gold: list[Sentence], found: list[Entities]) -> Run:
    """Return F over all, by label, and of entities that overlap and that don't, in percent."""
    of_gold = [sentence.entities for sentence in gold]
    labels = sorted({label for entities in of_gold for _, _, label in entities})
    return {
        "f": f_score(of_gold, found),
        "overlapping_f": overlap_f_score(of_gold, found, True),
        "other_f": overlap_f_score(of_gold, found, False),
        "by_label": {
            label: f_score(_with_label(of_gold, label), _with_label(found, label))
            for label in labels
        },
    }


def _with_label(of_sentences: list[Entities], label: str) -> Iterator[Entities]:
    return ({entity for entity in entities if entity[2] == label} for entities in of_sentences)


def run(system: str, checkout: Path, models: Path | None, corpus: str, size: int, seed: int) -> Run:
    """Train and score one system on one part of one corpus."""
    data = Data.of(checkout, corpus, size)
    with temporary_folder(f"spans-{system}-") as temporary:
        folder = (models or temporary) / f"{system}-{corpus}-{size}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        done = SYSTEMS[system](data, seed, folder)
    test = scores(data.parts["test"], done.entities["test"])
    dev = scores(data.parts["dev"], done.entities["dev"])
    return {
        "sentences": len(data.parts["train"]),
        "cpu_seconds": round(done.cpu_seconds, 1),
        "dev_f": dev["f"],
        **{f"test_{name}": value for name, value in test.items()},
    }


def run_published(checkout: Path, corpus: str, size: int, seed: int) -> Run:
    """Score the published predictions."""
    gold, found = read_part(checkout, corpus, "test"), published(checkout, corpus)
    pairs = zip(gold, found, strict=True)
    entities = [_entities_among(theirs, sentence.words) for sentence, theirs in pairs]
    return {f"test_{name}": value for name, value in scores(gold, entities).items()}


def _entities_among(found: Sentence, words: list[str]) -> Entities:
    """Return the entities of a sentence of the predictions, which lack the words "#"."""
    kept = [i for i, word in enumerate(words) if word in found.words or word != "#"]
    if [words[i] for i in kept] != found.words:
        raise SystemExit(f"The predictions lack the sentence {' '.join(words)!r}.")
    return {(kept[start], kept[end - 1] + 1, label) for start, end, label in found.entities}


def main(
    system: Annotated[str, typer.Argument(**command.one_of([*SYSTEMS, PUBLISHED]))],
    checkout: Annotated[Path, typer.Option(help="Folder of the repository with the corpora")],
    corpora: Annotated[
        list[str], typer.Option("--corpus", **command.one_of(CORPORA))
    ] = ALL_CORPORA,
    sizes: Annotated[list[int], typer.Option("--size", help="Sentences; 0 is all")] = SIZES,
    seeds: command.Seeds = command.ALL_SEEDS,
    models: command.Models = None,
    jobs: command.Jobs = 1,
) -> None:
    """Run what the system's file lacks."""
    keys: Any = product(corpora, sizes, seeds)
    make: Callable[..., Run] = partial(run, system, checkout, models)
    if system == PUBLISHED:
        keys, make = product(corpora, [0], [0]), partial(run_published, checkout)
    file = Results(
        results_of("spans") / f"{system}.json", {"system": system}, ["corpus", "size", "seed"]
    )
    file.fill(keys, make, jobs)


NAMES = {
    "ours": "`bilstm_crf_spans`",
    "spancat": f"`spancat`, n-grams to {LONGEST_SUGGESTED}",
    "span-finder": "`spancat` behind `span_finder`",
    "ner": "a stock `ner` for each group",
    PUBLISHED: "separate LSTM-CRFs (Rojas et al. 2022)",
}


def spans_table() -> str:
    """Make the table of the systems, by corpus and number of sentences."""
    cells = grouped(
        (
            {**run, "system": result["system"]}
            for result in read_all("spans")
            for run in _runs(result)
        ),
        "corpus",
        "size",
        "system",
    )
    rows = [["corpus", "sentences", "system", "test F", "that overlap", "others", "time, of ours"]]
    shown: list[Run] = []
    for corpus, size, system in product(CORPORA, SIZES, NAMES):
        runs = cells.get((corpus, size, system), [])
        ours = cells.get((corpus, size, "ours"), [])
        if not runs:
            continue
        scores = [
            tables.with_seeds(summary([run[name] for run in runs]), len(runs))
            for name in ("test_f", "test_overlapping_f", "test_other_f")
        ]
        time = ""
        if ours and "cpu_seconds" in runs[0]:
            seconds, of_ours = (mean(run["cpu_seconds"] for run in each) for each in (runs, ours))
            time = f"{seconds / of_ours:.1f}"
        n = f"{size:,}" if size else "all"
        rows.append([corpus, n, NAMES[system], *scores, time])
        shown += runs
    return tables.markdown(*rows) + tables.measured(shown, "Published predictions have one seed.")


def label_table() -> str:
    """Make the table of F by label, beside the published predictions."""
    cells = grouped(
        [
            {**run, "system": name}
            for name in ("ours", PUBLISHED)
            for run in read("spans", name)["runs"]
        ],
        *("corpus", "system", "size"),
    )
    columns = {
        "ours, 3,000 sentences": ("ours", 3000),
        "ours, all": ("ours", 0),
        "published, all": (PUBLISHED, 0),
    }
    rows = [["corpus", "label", *columns]]
    for corpus in CORPORA:
        labels = cells[corpus, PUBLISHED, 0][0]["test_by_label"]
        for label in labels:
            of_label = [
                [run["test_by_label"][label] for run in cells.get((corpus, *column), [])]
                for column in columns.values()
            ]
            scores = [tables.with_seeds(summary(f), len(f)) if f else "" for f in of_label]
            rows.append([corpus, label, *scores])
    return tables.markdown(*rows)


def _runs(result: dict[str, Any]) -> list[Run]:
    return result["runs"] if "system" in result else []


TABLES = {"spans": spans_table, "spans_by_label": label_table}

if __name__ == "__main__":
    command.run(main)
