"""Soft labels: what a teacher predicts for raw texts, kept on disk as examples for a student.

A folder has one file of docs for every `DOCS_OF_FILE` texts, and what all of them share. Each file
appears when it is complete, so a run that was stopped goes on after the last one.
"""

import io
import json
import random
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from .. import decoding
from ..common.errors import UserError, reported_damage
from ..common.files import check_folder, write_whole
from ..pipeline import settings
from ..pipeline.confidence import confidence
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..training.distillation import SoftLabels, Teacher, set_soft_labels
from .corpus import before_component, predicted_docs, unannotated

DOCS_OF_FILE = 1000
_BATCH = 64  # docs
_EMISSIONS, _SCORES = "emissions", "scores"  # keys of a doc's user data
_ABOUT, _SHARED = "teacher.json", "teacher.npz"  # files in the folder
_DAMAGED = (
    "The soft labels in {0.parent} are incomplete: {0.name} is missing or damaged. Delete the "
    "folder and run `bilstm-crf distill` again, or name another one"
)
_OTHER_TEXTS = (
    "{} has soft labels of other texts. Name another folder, or delete it to make new ones."
)
_NAME = re.compile(r"\d{6,}-[0-9a-f]{16}\.spacy")
_SHARED_SCORES = ("transitions", "start", "end")


class _About(NamedTuple):
    """What a folder of soft labels is of.

    Attributes:
        labels: The labels of the teacher, in the order of its tags. None if only its entities are
            kept, not its distributions.
        teacher: Tells the pipeline from any other.
    """

    labels: list[str] | None
    teacher: str


def write_soft_labels(
    nlp: Language,
    docs: Iterable[Doc],
    folder: Path,
    ner: BiLSTMCRFEntityRecognizer | None,
    teacher: str,
) -> Iterator[int]:
    """Run a teacher over docs and keep what it predicts.

    A file that is there is kept if it is of the same texts. One of fewer texts is replaced by one
    of them and those that come after them. No other file is changed.

    Args:
        nlp: The teacher.
        docs: New docs, with its tokens.
        folder: Where the files go.
        ner: The component whose distributions are kept. None keeps entities only, with their
            probabilities if they have some.
        teacher: Tells the pipeline from any other.

    Yields:
        The number of docs that are done, after each file.

    Raises:
        UserError: If the folder has soft labels of another teacher or of other texts.
    """
    check_folder(folder)
    about = _About(None if ner is None else list(ner.labels), teacher)
    folder.mkdir(parents=True, exist_ok=True)
    old = {int(path.name.partition("-")[0]): path for path in _files(folder)}
    if not old:  # what another teacher began
        (folder / _SHARED).unlink(missing_ok=True)
    elif _about(folder) != about:
        raise UserError(
            f"{folder} has soft labels of another teacher, or of another kind. Name another "
            f"folder, or delete it."
        )
    write_whole(folder / _ABOUT, json.dumps(about._asdict(), indent=1))
    n_done = 0
    for number, part in enumerate(minibatch(docs, DOCS_OF_FILE)):
        path = folder / f"{number:06d}-{_digest(part)}.spacy"
        n_done += len(part)
        before = old.pop(number, None)
        if before is not None and before != path:
            with reported_damage(_DAMAGED.format(before)):
                n_before = len(DocBin().from_disk(before))
            if before != folder / f"{number:06d}-{_digest(part[:n_before])}.spacy":
                raise UserError(_OTHER_TEXTS.format(folder))
        if before != path:
            kept = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
            for doc in _predicted(nlp, ner, part, folder):
                kept.add(doc)
            if before is not None:
                before.unlink()
            write_whole(path, kept.to_bytes())
        yield n_done
    if old:
        raise UserError(_OTHER_TEXTS.format(folder))


def _digest(docs: list[Doc]) -> str:
    content = "\0".join("\1".join(token.text_with_ws for token in doc) for doc in docs)
    return blake2b(content.encode("utf8"), digest_size=8).hexdigest()


def _predicted(
    nlp: Language, ner: BiLSTMCRFEntityRecognizer | None, docs: list[Doc], folder: Path
) -> Iterator[Doc]:
    """Docs with the teacher's entities, and what else it predicts in the user data.

    The list is emptied on the way: what components leave in docs would fill the memory.
    """
    while docs:
        batch, docs[:_BATCH] = docs[:_BATCH], []
        if ner is None:
            for doc in predicted_docs(nlp, batch):
                known = [confidence(ent) for ent in doc.ents]
                yield _kept(doc, _SCORES, [1.0 if score is None else score for score in known])
        else:
            yield from _distributions(nlp, ner, batch, folder)


def _distributions(
    nlp: Language, ner: BiLSTMCRFEntityRecognizer, docs: list[Doc], folder: Path
) -> Iterator[Doc]:
    """Docs with their emission scores. The scores that all docs share go into the folder."""
    docs = before_component(nlp, docs, ner.name)
    distribution = ner.distribution(docs)
    ner.set_annotations(docs, decoding.decode(distribution, settings.decoding_settings(ner.cfg)))
    potentials = distribution.potentials
    to_numpy = NumpyOps().to_numpy
    if not (folder / _SHARED).exists():
        content = io.BytesIO()
        np.savez(content, **{x: to_numpy(getattr(potentials, x)) for x in _SHARED_SCORES})
        write_whole(folder / _SHARED, content.getvalue())
    for doc, emissions in zip(docs, potentials.emissions):
        yield _kept(doc, _EMISSIONS, to_numpy(emissions))


def _kept(doc: Doc, key: str, value: Any) -> Doc:
    doc.user_data.clear()
    doc.spans.clear()
    doc.user_data[key] = value
    return doc


def teacher_labels(folder: Path) -> list[str]:
    """Return the teacher's labels in the order of its tags, or those of the entities it found.

    Raises:
        UserError: If a file is missing or damaged.
    """
    about = _about(folder)
    if about.labels is not None:
        return about.labels
    vocab = Vocab()
    docs = (doc for path in _files(folder) for doc in _docs(path, vocab))
    return sorted({ent.label_ for doc in docs for ent in doc.ents})


def _about(folder: Path) -> _About:
    with reported_damage(_DAMAGED.format(folder / _ABOUT)):
        return _About(**json.loads((folder / _ABOUT).read_text(encoding="utf8")))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.spacy") if _NAME.fullmatch(path.name))


def _docs(path: Path, vocab: Vocab) -> list[Doc]:
    with reported_damage(_DAMAGED.format(path)):
        return list(DocBin(store_user_data=True).from_disk(path).get_docs(vocab))


class SoftLabelCorpus:
    """A corpus of texts with a teacher's soft labels, mixed with annotated docs.

    Every pass has another order, by Python's random numbers, which spaCy's training seeds: of the
    files, and within each file of its docs and its share of the annotated ones.
    """

    def __init__(
        self, path: str | Path, labelled: str | Path | None = None, temperature: float = 1.0
    ):
        """Make a corpus, as `@readers = "spacy-bilstm-crf.Lessons.v1"` in a config does.

        Args:
            path: The folder that `distill` wrote.
            labelled: Annotated docs, for spaCy's own reader. None for none.
            temperature: What the scores of teacher and student are divided by. Above 1 it softens
                the targets: the student learns more of the less probable tag sequences.

        Raises:
            UserError: If there are no soft labels, or the temperature is not above 0.
        """
        folder = Path(path)
        if not temperature > 0.0:
            raise UserError(f"The temperature is {temperature}, but must be above 0.")
        self.files = _files(folder)
        if not self.files:
            raise UserError(f"There are no soft labels in {folder}: run `bilstm-crf distill`.")
        about = _about(folder)
        self.labelled = None if labelled is None else Corpus(labelled)
        self.teacher: Teacher | None = None
        if about.labels is not None:
            shared_path = folder / _SHARED
            with reported_damage(_DAMAGED.format(shared_path)), np.load(shared_path) as shared:
                scores = {name: shared[name] for name in _SHARED_SCORES}
            self.teacher = Teacher(tuple(about.labels), **scores, temperature=temperature)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield all examples once."""
        annotated = [] if self.labelled is None else list(self.labelled(nlp))
        random.shuffle(annotated)
        files = random.sample(self.files, len(self.files))
        for number, path in enumerate(files):
            share = annotated[number :: len(files)]
            docs = _docs(path, nlp.vocab)
            with reported_damage(_DAMAGED.format(path)):
                examples = [*share, *(self._example(nlp, doc) for doc in docs)]
            random.shuffle(examples)
            yield from examples

    def _example(self, nlp: Language, doc: Doc) -> Example:
        if self.teacher is not None:
            set_soft_labels(doc, SoftLabels(self.teacher, doc.user_data.pop(_EMISSIONS)))
        else:
            _draw_entities(doc, doc.user_data.pop(_SCORES))
        return Example(unannotated(nlp, doc), doc)


Lessons = SoftLabelCorpus  # the name in setup.cfg, by which saved configs find it


def _draw_entities(doc: Doc, probabilities: list[float]) -> None:
    """Keep each entity with its probability, and otherwise take its tokens as not annotated.

    So an entity's part in the loss is weighted by its probability, in the mean over the passes.
    """
    doubted = [ent for ent, p in zip(doc.ents, probabilities) if random.random() >= p]
    places = {(ent.start, ent.end) for ent in doubted}
    kept = [ent for ent in doc.ents if (ent.start, ent.end) not in places]
    doc.set_ents(kept, missing=doubted, default="outside")
