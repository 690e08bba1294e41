"""Flair's SequenceTagger, at work for `tagger.py`: see `worker.py`.

    python -m benchmarks.speed.flair_worker TRAIN DEV WORDS WORD_WIDTH HIDDEN FINE_TUNE DEVICE

TRAIN and DEV are folders of CoNLL columns, the word first and the tag last. WORDS is a file of
the words that have a vector, a line each. The vectors start at random, which costs the same as
pretrained ones; FINE_TUNE, 1 or 0, says whether they learn.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import flair
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import CharacterEmbeddings, StackedEmbeddings, WordEmbeddings
from flair.models import SequenceTagger

from benchmarks.speed.worker import (
    CALLS,
    DEV_SENTENCES,
    TEXT_WORDS,
    TRAIN_SENTENCES,
    one_by_one,
    serve,
    texts_of,
)

BATCH = 32  # Flair's own default, in training as in prediction


def sentences(path: str) -> list[Sentence]:
    """Read the sentences of a folder's files of columns, with their entities."""
    found = []
    text = "\n\n".join(file.read_text(encoding="utf8") for file in sorted(Path(path).iterdir()))
    for block in text.split("\n\n"):
        rows = [line.split() for line in block.splitlines() if line.strip()]
        if not rows or rows[0][0] == "-DOCSTART-":
            continue
        sentence = Sentence([row[0] for row in rows], use_tokenizer=False)
        start = 0
        while start < len(rows):
            tag, end = rows[start][-1], start + 1
            while end < len(rows) and rows[end][-1] == f"I-{tag[2:]}":
                end += 1
            if tag.startswith("B-"):
                sentence[start:end].add_label("ner", tag[2:])
            start = end if tag.startswith("B-") else start + 1
        found.append(sentence)
    return found


class Tagger:
    """A tagger of the sizes of configs/glove_char_cnn.cfg."""

    def __init__(
        self, train: str, dev: str, words: list[str], word_width: int, hidden: int, fine_tune: bool
    ):
        self.train_data, self.dev = sentences(train), sentences(dev)[:DEV_SENTENCES]
        characters = Dictionary()
        for character in sorted({c for s in self.train_data for token in s for c in token.text}):
            characters.add_item(character)
        vocab = {word: i for i, word in enumerate(["<unk>", *words])}
        # Flair would download its own list of characters
        with tempfile.TemporaryDirectory() as folder:
            characters.save(Path(folder) / "characters")
            character_embeddings = CharacterEmbeddings(Path(folder) / "characters")
        of_words = {"vocab": vocab, "embedding_length": word_width, "fine_tune": fine_tune}
        of_words["force_cpu"] = False
        embeddings = StackedEmbeddings([WordEmbeddings(None, **of_words), character_embeddings])
        labels = Dictionary(add_unk=False)
        labels.span_labels = True  # the tags are BIOES
        for sentence in self.train_data:
            for span in sentence.get_spans("ner"):
                labels.add_item(span.tag)
        self.train_data = self.train_data[:TRAIN_SENTENCES]
        self.tagger = SequenceTagger(embeddings, labels, "ner", hidden_size=hidden, use_crf=True)
        self.tagger.to(flair.device)
        self.optimizer = torch.optim.SGD(self.tagger.parameters(), lr=0.1)
        for batch in list(self.batches(self.train_data))[:10]:
            self.update(batch)

    def batches(self, data: list[Sentence]) -> Iterator[list[Sentence]]:
        """Return the sentences in batches."""
        return (data[i : i + BATCH] for i in range(0, len(data), BATCH))

    def update(self, batch: list[Sentence]) -> None:
        """Take one step, as Flair's ModelTrainer does."""
        self.tagger.train()
        self.optimizer.zero_grad()
        loss, count = self.tagger.forward_loss(batch)
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(self.tagger.parameters(), 5.0)
        self.optimizer.step()
        for sentence in batch:
            sentence.clear_embeddings()

    def train(self, data: list[Sentence]) -> None:
        """Learn from each sentence once."""
        for batch in self.batches(data):
            self.update(batch)

    def tokenised(self) -> list[Sentence]:
        """Return sentences without embeddings or labels."""
        return [Sentence([token.text for token in s], use_tokenizer=False) for s in self.dev]

    def tag(self, data: list[Sentence]) -> None:
        """Predict the entities of sentences."""
        self.tagger.predict(data, mini_batch_size=BATCH)

    def tag_texts(self, texts: list[str]) -> None:
        """Tokenise texts, as Flair does, and predict their entities."""
        self.tag([Sentence(text) for text in texts])


def main() -> None:
    """Read the arguments, and answer commands."""
    train, dev, words, word_width, hidden, fine_tune, device = sys.argv[1:]
    torch.set_num_threads(1)
    flair.device = torch.device(device)
    vocab = Path(words).read_text(encoding="utf8").splitlines()
    tagger = Tagger(train, dev, vocab, int(word_width), int(hidden), fine_tune == "1")
    texts = [sentence.to_plain_string() for sentence in tagger.dev]
    every = [token.text for sentence in tagger.dev for token in sentence]
    one_text = partial(one_by_one, lambda text: tagger.tag_texts([text]))
    serve(
        {
            **{f"text {n}": (partial(texts_of, every, n, CALLS), one_text) for n in TEXT_WORDS},
            "train": (lambda: tagger.train_data, tagger.train),
            "predict": (tagger.tokenised, tagger.tag),
            "pipe": (lambda: texts, tagger.tag_texts),
        },
        words={"train": sum(map(len, tagger.train_data)), "predict": sum(map(len, tagger.dev))},
        flair=flair.__version__,
    )


if __name__ == "__main__":
    main()
