"""Corpora whose entities overlap, as the repository matirojasg/nested-ner-mlc has them.

It has a file of tags for each label of a corpus, or group of labels, with the same sentences in
each, and beside them the predictions of the paper (Rojas, Bravo-Marquez and Dunstan 2022).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.tokens import Doc, Span
from spacy.training import iob_to_biluo
from spacy.training.iob_utils import tags_to_entities

KEY = "sc"
Entities = set[tuple[int, int, str]]  # first token, token after the last, label


class Sentence(NamedTuple):
    """The words of a sentence, and its entities by group of labels."""

    words: list[str]
    groups: dict[str, Entities]

    @property
    def entities(self) -> Entities:
        """The entities of all groups."""
        return set().union(*self.groups.values())


class Corpus(NamedTuple):
    """The language of a corpus, the folder with its labels, and that of published predictions."""

    lang: str
    labels: str
    predictions: str


FORMATS, PREDICTIONS = "data/data/adapted-formats", "task-specific-metrics/predictions"
CORPORA = {
    "genia": Corpus("en", f"{FORMATS}/Genia/MLC", f"{PREDICTIONS}/GENIA"),
    "germeval": Corpus("de", f"{FORMATS}/GermEval/MLC", f"{PREDICTIONS}/GERM"),
    "chilean": Corpus("es", f"{FORMATS}/Chilean Waiting List/MLC", f"{PREDICTIONS}/WL"),
}


def read(checkout: Path, corpus: str, part: str) -> list[Sentence]:
    """Read the sentences of a part of a corpus.

    Args:
        checkout: Folder of the repository.
        corpus: The corpus.
        part: "train", "dev" or "test".
    """
    paths = sorted((checkout / CORPORA[corpus].labels).glob(f"*/*_{part}.conll"))
    return _merged({path.parent.name: list(_sentences(path, 1)) for path in paths})


def published(checkout: Path, corpus: str) -> list[Sentence]:
    """Read what the separate LSTM-CRFs of the paper predicted for the test part of a corpus."""
    paths = sorted((checkout / CORPORA[corpus].predictions / "mlc").glob("*_test.tsv"))
    return _merged({path.stem: list(_sentences(path, 2)) for path in paths})


def _sentences(path: Path, column: int) -> Iterator[tuple[list[str], Entities]]:
    """Yield the words and the entities of each sentence of a file."""
    for block in path.read_text(encoding="utf8").split("\n\n"):
        rows = [line.split(" ") for line in block.splitlines() if line.strip()]
        if rows:
            biluo = iob_to_biluo([row[column] for row in rows])
            found = {(start, last + 1, label) for label, start, last in tags_to_entities(biluo)}
            yield [row[0] for row in rows], found


def _merged(by_group: dict[str, list[tuple[list[str], Entities]]]) -> list[Sentence]:
    """Merge the files of several groups, whose sentences have to be the same."""
    merged = []
    for of_groups in zip(*by_group.values(), strict=True):
        (words, _), *others = of_groups
        if any(other != words for other, _ in others):
            raise SystemExit(f"The files of a corpus differ in the sentence {' '.join(words)!r}.")
        entities = (found for _, found in of_groups)
        merged.append(Sentence(words, dict(zip(by_group, entities))))
    return merged


def docs_of(sentences: list[Sentence], lang: str, group: str | None = None) -> list[Doc]:
    """Make docs with the annotation.

    Args:
        sentences: The sentences.
        lang: Their language.
        group: The group of labels to set as `doc.ents`. None sets all entities in `doc.spans`.
    """
    vocab = spacy.blank(lang).vocab
    docs = []
    for sentence in sentences:
        doc = Doc(vocab, words=sentence.words)
        if group is None:
            doc.spans[KEY] = [Span(doc, *entity) for entity in sorted(sentence.entities)]
        else:
            doc.set_ents([Span(doc, *entity) for entity in sorted(sentence.groups[group])])
        docs.append(doc)
    return docs
