"""What a teacher says of raw texts, kept on disk, and read again as examples for a student.

A folder has a file of docs for every so many texts, and what is the same for all of them. A file is
written whole or not at all: whoever comes again goes on where the files end.
"""

import io
import json
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from .. import decoding
from ..pipeline import settings
from ..pipeline.confidence import confidence
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..training.distillation import Lesson, Teacher, give_lesson
from .corpus import before_component, unannotated

DOCS_OF_FILE = 1000
BATCH = 64  # docs
EMISSIONS = "emissions"  # keys of a doc's user data
SCORES = "scores"
ABOUT = "teacher.json"
SHARED = "teacher.npz"
SHARED_SCORES = ("transitions", "start", "end")


class About(NamedTuple):
    """What a folder of lessons is of.

    Attributes:
        labels: The labels of the teacher, in the order of its tags. None where there are entities
            alone, and no distributions.
        teacher: Tells the pipeline from any other.
    """

    labels: list[str] | None
    teacher: str


def write_lessons(
    nlp: Language, docs: Iterable[Doc], folder: Path, component: str | None, teacher: str
) -> Iterator[int]:
    """Run a teacher over docs, and keep what it says.

    Files that are there are of the same texts, or written anew.

    Args:
        nlp: The teacher.
        docs: New docs, with its tokens.
        folder: Where the files go.
        component: The `bilstm_crf_ner` whose distributions are kept. None keeps entities alone,
            with their probabilities where they have some.
        teacher: Tells the pipeline from any other.

    Yields:
        The number of docs that are done, file by file.

    Raises:
        ValueError: If the folder has lessons of another teacher.
    """
    ner = None if component is None else cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(component))
    about = About(None if ner is None else list(ner.labels), teacher)
    folder.mkdir(parents=True, exist_ok=True)
    old = set(_files(folder))
    if not old:  # what another teacher began
        (folder / SHARED).unlink(missing_ok=True)
    elif _about(folder) != about:
        raise ValueError(
            f"{folder} has lessons of another teacher, or of another kind. Name another folder, or "
            f"delete it."
        )
    _replace(folder / ABOUT, json.dumps(about._asdict(), indent=1).encode())
    left = iter(docs)
    done = 0
    for number in count():
        part = list(islice(left, DOCS_OF_FILE))
        if not part:
            break
        path = folder / f"{number:06d}-{_digest(part)}.spacy"
        done += len(part)
        if path not in old:
            _write(path, _said(nlp, ner, part, folder))
        old.discard(path)
        yield done
    for path in old:  # of texts that are no longer there
        path.unlink()


def _digest(docs: list[Doc]) -> str:
    content = "\0".join("\1".join(token.text_with_ws for token in doc) for doc in docs)
    return blake2b(content.encode("utf8"), digest_size=8).hexdigest()


def _said(
    nlp: Language, ner: BiLSTMCRFEntityRecognizer | None, docs: list[Doc], folder: Path
) -> Iterator[Doc]:
    """Docs with the teacher's entities, and in the user data what else it says.

    They are taken out of the list: what components leave in a doc would fill the memory.
    """
    while docs:
        batch, docs[:BATCH] = docs[:BATCH], []
        yield from _entities(nlp, batch) if ner is None else _distributions(nlp, ner, batch, folder)


def _entities(nlp: Language, docs: list[Doc]) -> Iterator[Doc]:
    """Docs with their entities and the probabilities of these, 1 where none is known."""
    for _, pipe in nlp.pipeline:
        docs = list(pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs))
    for doc in docs:
        known = [confidence(ent) for ent in doc.ents]
        yield _kept(doc, SCORES, [1.0 if score is None else score for score in known])


def _distributions(
    nlp: Language, ner: BiLSTMCRFEntityRecognizer, docs: list[Doc], folder: Path
) -> Iterator[Doc]:
    """Docs with their emission scores; the scores that all of them share go into the folder."""
    docs = before_component(nlp, docs, ner.name)
    distribution = ner.distribution(docs)
    ner.set_annotations(docs, decoding.decode(distribution, settings.decoding_settings(ner.cfg)))
    potentials = distribution.potentials
    to_numpy = NumpyOps().to_numpy
    if not (folder / SHARED).exists():
        content = io.BytesIO()
        np.savez(content, **{x: to_numpy(getattr(potentials, x)) for x in SHARED_SCORES})
        _replace(folder / SHARED, content.getvalue())
    for doc, emissions in zip(docs, potentials.emissions):
        yield _kept(doc, EMISSIONS, to_numpy(emissions))


def _kept(doc: Doc, key: str, value: Any) -> Doc:
    doc.user_data.clear()
    doc.spans.clear()
    doc.user_data[key] = value
    return doc


def _write(path: Path, docs: Iterable[Doc]) -> None:
    kept = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    for doc in docs:
        kept.add(doc)
    _replace(path, kept.to_bytes())


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def labels_of(folder: Path) -> list[str]:
    """The teacher's labels, in the order of its tags; of entities alone those that it found."""
    about = _about(folder)
    if about.labels is not None:
        return about.labels
    vocab = Vocab()
    docs = (doc for path in _files(folder) for doc in _docs(path, vocab))
    return sorted({ent.label_ for doc in docs for ent in doc.ents})


def _about(folder: Path) -> About:
    with _damage_is_told(folder / ABOUT):
        return About(**json.loads((folder / ABOUT).read_text()))


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    """Name a file of lessons that can't be read, whatever is wrong with it.

    Raises:
        ValueError: Saying what to do.
    """
    try:
        yield
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:  # of json, numpy, zlib and msgpack each has its own
        raise ValueError(
            f"{path.parent} holds no whole lessons: {path.name} is missing or damaged "
            f"({type(error).__name__}). Delete the folder and run `bilstm-crf distill` again, or "
            f"name another one."
        ) from error


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spacy"))


class Lessons:
    """A corpus of what a teacher said, with annotated docs among it.

    Every pass has another order, by the random numbers of Python, which spaCy's training seeds: of
    the files, and of the docs of each file with its share of the annotated ones.
    """

    def __init__(
        self,
        path: str | Path,
        labelled: str | Path | None = None,
        temperature: float = 1.0,
    ):
        """Make a corpus, as `@readers = "spacy-bilstm-crf.Lessons.v1"` of a config does.

        Args:
            path: The folder that `distill` wrote.
            labelled: Annotated docs, for spaCy's own reader. None for none.
            temperature: What the scores of teacher and student are divided by. Above 1 the student
                learns more of what the teacher holds for less probable.

        Raises:
            ValueError: If there are no lessons, or the temperature makes no sense.
        """
        folder = Path(path)
        if not temperature > 0.0:
            raise ValueError(f"The temperature of lessons is {temperature}, but is above 0.")
        self.files = _files(folder)
        if not self.files:
            raise ValueError(f"There are no lessons in {folder}: run `bilstm-crf distill`.")
        about = _about(folder)
        self.labelled = None if labelled is None else Corpus(labelled)
        self.teacher: Teacher | None = None
        if about.labels is not None:
            with _damage_is_told(folder / SHARED), np.load(folder / SHARED) as shared:
                scores = {name: shared[name] for name in SHARED_SCORES}
            self.teacher = Teacher(tuple(about.labels), **scores, temperature=temperature)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """All examples, once."""
        annotated = [] if self.labelled is None else list(self.labelled(nlp))
        random.shuffle(annotated)
        files = random.sample(self.files, len(self.files))
        for number, path in enumerate(files):
            share = annotated[number :: len(files)]
            examples = [*share, *(self._example(nlp, doc) for doc in _docs(path, nlp.vocab))]
            random.shuffle(examples)
            yield from examples

    def _example(self, nlp: Language, doc: Doc) -> Example:
        if self.teacher is not None:
            give_lesson(doc, Lesson(self.teacher, doc.user_data.pop(EMISSIONS)))
        else:
            _believe(doc, doc.user_data.pop(SCORES))
        return Example(unannotated(nlp, doc), doc)


def _docs(path: Path, vocab: Vocab) -> list[Doc]:
    with _damage_is_told(path):
        return list(DocBin(store_user_data=True).from_disk(path).get_docs(vocab))


def _believe(doc: Doc, scores: list[float]) -> None:
    """Take each entity for true with its probability; otherwise its tokens are not known.

    So an entity's part in the loss is weighted by its probability, in the mean over the passes.
    """
    doubted = [ent for ent, score in zip(doc.ents, scores) if random.random() >= score]
    places = {(ent.start, ent.end) for ent in doubted}
    believed = [ent for ent in doc.ents if (ent.start, ent.end) not in places]
    doc.set_ents(believed, missing=doubted, default="outside")
