"""The protocol by which the study trains and asks a system in another process.

A module of this folder has two functions, and is run by the Python that it needs:

    python -m benchmarks.peers.workers.MODULE train SETTINGS
    python -m benchmarks.peers.workers.MODULE serve MODEL TEXTS

SETTINGS is a JSON file: see `Settings`. TEXTS are JSON lines: a list of words, and the entities in
them. `serve` answers commands as `benchmarks.speed.worker` does; the first answer has the seconds
that loading took and the versions. `batch` finds the entities of all texts and answers with the
seconds, `single` those of some, one by one, with the seconds of each. `entities` answers with the
entities of each text, and `memory` with the largest memory of the process up to now, in MB.

Nothing here, or in what it imports, needs more than Python itself.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.speed.worker import one_by_one, serve

SINGLE_TEXTS = 100
Entity = tuple[int, int, str]  # first word, word after the last, label
Batches = list[list[list[str]]]  # batches of texts, which are lists of words


class Text(NamedTuple):
    """A text of a data set.

    Attributes:
        words: Its words.
        entities: The entities in it.
    """

    words: list[str]
    entities: list[Entity]


def write_texts(texts: Iterable[Text], path: Path) -> Path:
    """Write texts as JSON lines, and return the path."""
    path.write_text("".join(f"{json.dumps(text)}\n" for text in texts), encoding="utf8")
    return path


def read_texts(path: Path) -> list[Text]:
    """Read texts from JSON lines."""
    lines = path.read_text(encoding="utf8").splitlines()
    return [
        Text(words, [(start, end, label) for start, end, label in entities])
        for words, entities in map(json.loads, lines)
    ]


class Settings(NamedTuple):
    """What a system is trained with.

    Attributes:
        train: Texts of the training part.
        dev: Texts of the part that chooses the best model.
        model: Folder for the model.
        seed: Seed of the training.
        vectors: Word vectors as text, with a head line, or None.
        transformer: Folder of a Hugging Face model, or None.
        most: Steps, or epochs, at most.
    """

    train: str
    dev: str
    model: str
    seed: int
    vectors: str | None
    transformer: str | None
    most: int


class Tagger(Protocol):
    """A trained system."""

    def prepared(self, batches: Batches) -> list[Any]:
        """Return what the system makes of batches of texts before it looks for entities."""

    def find(self, batch: Any) -> None:
        """Find the entities in the texts of a prepared batch."""

    def found(self, batch: Any) -> list[list[Entity]]:
        """Return the entities of each text of a batch that was looked at."""


class OfDocs:
    """A tagger that finds the entities of spaCy docs, by a pipeline of spaCy's kind.

    Attributes:
        nlp: The pipeline.
    """

    nlp: Any

    def find(self, docs: list[Any]) -> None:
        """Find the entities in docs."""
        for _ in self.nlp.pipe(docs):
            pass

    def found(self, docs: list[Any]) -> list[list[Entity]]:
        """Return the entities of docs."""
        return [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]


def peak_megabytes() -> float:
    """Return the largest memory of this process up to now: VmHWM, which only Linux tells.

    `resource.getrusage` would count the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, "Only Linux tells the memory of a process."
    return int(found[1]) * 1024 / 1e6


def spread_over(texts: list[list[str]], n: int) -> list[list[str]]:
    """Return n texts, or all if there are fewer, from places all over the list."""
    return [texts[i * len(texts) // n] for i in range(n)] if len(texts) > n else texts


def answer(load: Callable[[str], Tagger], model: str, texts: str, *packages: str) -> None:
    """Load a system and answer commands until standard input ends."""
    words = [text.words for text in read_texts(Path(texts))]
    start = time.perf_counter()
    tagger = load(model)
    seconds = time.perf_counter() - start
    singles = [[text] for text in spread_over(words, SINGLE_TEXTS)]

    def whole() -> Any:
        return tagger.prepared([words])[0]

    def found(batch: Any) -> list[list[Entity]]:
        tagger.find(batch)
        return tagger.found(batch)

    serve(
        {
            "batch": (whole, tagger.find),
            "single": (partial(tagger.prepared, singles), partial(one_by_one, tagger.find)),
            "entities": (whole, found),
            "memory": (lambda: None, lambda _: peak_megabytes()),
        },
        load_seconds=seconds,
        words=sum(map(len, words)),
        versions={package: version(package) for package in packages},
    )


def run(
    load: Callable[[str], Tagger],
    packages: Iterable[str],
    train: Callable[[Settings], None] | None = None,
) -> None:
    """Do what the command line says.

    Args:
        load: Loads a system from the folder of its model.
        packages: Whose versions are told.
        train: Trains a system and saves it.
    """
    what, *arguments = sys.argv[1:]
    if what == "train":
        assert train is not None, "This system is trained by the study itself."
        train(Settings(**json.loads(Path(arguments[0]).read_text(encoding="utf8"))))
    else:
        answer(load, *arguments, *packages)
