"""Flair's SequenceTagger at work: see `protocol.py`.

Its own defaults in sizes and training: an LSTM of 256 units in each direction with a CRF, and SGD,
whose step size is halved when the score of the dev part stays as it is. Words are embedded by their
characters and by their vectors, which do not learn (Flair's default), or without vectors by some
that are learned for the words of the training part.
"""

from pathlib import Path

import flair
import numpy as np
import torch
from flair.data import Corpus, Dictionary, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import (
    CharacterEmbeddings,
    OneHotEmbeddings,
    StackedEmbeddings,
    TokenEmbeddings,
    WordEmbeddings,
)
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer

from benchmarks.peers.workers.protocol import Batches, Entity, Settings, read_texts, run

flair.device = torch.device("cpu")
torch.set_num_threads(1)
LABEL = "ner"
LEARNED_WIDTH = 100  # as wide as the vectors


def sentences(path: str, labels: set[str]) -> list[Sentence]:
    """Read texts with the entities of some labels: Flair stops at a label that it lacks."""
    found = []
    for text in read_texts(Path(path)):
        sentence = Sentence(text.words)
        for start, end, label in text.entities:
            if label in labels:
                sentence[start:end].add_label(LABEL, label)
        found.append(sentence)
    return found


def of_vectors(path: str) -> TokenEmbeddings:
    """Embed words by vectors, which Flair would read from a file with gensim alone."""
    words, rows = [], []
    with Path(path).open(encoding="utf8") as lines:
        next(lines)  # the numbers of words and columns
        for line in lines:
            word, row = line.rstrip("\n").split(" ", 1)
            words.append(word)
            rows.append(np.fromstring(row, dtype="float32", sep=" "))
    vocab = {word: i for i, word in enumerate(words)}
    embeddings = WordEmbeddings(None, vocab=vocab, embedding_length=len(rows[0]), name="vectors")
    # The last one is of words without a vector
    embeddings.embedding.weight.data[:-1] = torch.from_numpy(np.stack(rows))
    return embeddings


def of_characters(corpus: list[Sentence]) -> CharacterEmbeddings:
    """Embed words by their characters, of which Flair would download its own list."""
    characters = Dictionary()
    for character in sorted({c for sentence in corpus for token in sentence for c in token.text}):
        characters.add_item(character)
    return CharacterEmbeddings(characters)


def train(settings: Settings) -> None:
    """Train a tagger; the best on dev is saved."""
    flair.set_seed(settings.seed)
    texts = read_texts(Path(settings.train))
    labels = {label for text in texts for _, _, label in text.entities}
    examples = sentences(settings.train, labels)
    corpus: Corpus = Corpus(
        FlairDatapointDataset(examples),
        FlairDatapointDataset(sentences(settings.dev, labels)),
        sample_missing_splits=False,
    )
    if settings.vectors is None:
        of_words: TokenEmbeddings = OneHotEmbeddings.from_corpus(
            corpus, min_freq=1, embedding_length=LEARNED_WIDTH
        )
    else:
        of_words = of_vectors(settings.vectors)
    tagger = SequenceTagger(
        StackedEmbeddings([of_words, of_characters(examples)]),
        corpus.make_label_dictionary(LABEL, add_unk=False),
        LABEL,
    )
    ModelTrainer(tagger, corpus).train(
        settings.model,
        max_epochs=settings.most,
        # By default dev is scored by the character embeddings of the first epoch, which are kept
        embeddings_storage_mode="none",
        save_final_model=False,
        create_file_logs=False,
    )


class Tagger:
    """A trained tagger, and how it is asked."""

    def __init__(self, model: str) -> None:
        self.tagger = SequenceTagger.load(Path(model) / "best-model.pt")

    def prepared(self, batches: Batches) -> list[list[Sentence]]:
        """Make sentences of words."""
        return [[Sentence(words) for words in batch] for batch in batches]

    def find(self, found: list[Sentence]) -> None:
        """Find the entities in sentences."""
        self.tagger.predict(found)

    def found(self, found: list[Sentence]) -> list[list[Entity]]:
        """Return the entities of sentences."""
        return [
            [
                (span.tokens[0].idx - 1, span.tokens[-1].idx, span.get_label(LABEL).value)
                for span in sentence.get_spans(LABEL)
            ]
            for sentence in found
        ]


if __name__ == "__main__":
    run(Tagger, ("flair", "torch"), train)
