"""Ours or spaCy's own entity recognizer, at work for `tagger.py`: see `worker.py`.

python -m benchmarks.speed.spacy_worker CONFIG TRAIN DEV VECTORS DEVICE [PRECISION]

With a precision, ours is exported before it predicts.
"""

import itertools
import random
import sys
from collections.abc import Iterable
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry

from benchmarks.speed.worker import DEV_SENTENCES, TRAIN_SENTENCES, serve
from spacy_bilstm_crf import BiLSTMCRFEntityRecognizer
from spacy_bilstm_crf.workflows import export

WARM_UP_BATCHES = 30


class Tagger:
    """A pipeline made from a config, and documents for it."""

    def __init__(self, config: str, train: str, dev: str, vectors: str):
        overrides = {"paths.train": train, "paths.dev": dev, "paths.vectors": vectors}
        self.nlp: Language = init_nlp(load_config(config, overrides=overrides))
        settings = registry.resolve(
            self.nlp.config.interpolate()["training"], schema=ConfigSchemaTraining
        )
        self.settings: Any = settings
        self.examples: list[Example] = list(Corpus(train)(self.nlp))
        random.Random(0).shuffle(self.examples)
        self.examples = self.examples[:TRAIN_SENTENCES]
        self.dev = [example.reference for example in Corpus(dev)(self.nlp)][:DEV_SENTENCES]
        self.texts = [doc.text for doc in self.dev]
        for batch in itertools.islice(settings["batcher"](self.examples), WARM_UP_BATCHES):
            self.update(batch)

    def update(self, batch: list[Example]) -> None:
        """Take one step, as `spacy train` does."""
        dropout, optimizer = self.settings["dropout"], self.settings["optimizer"]
        self.nlp.update(batch, drop=dropout, sgd=optimizer, losses={})
        optimizer.step_schedules()

    def train(self, examples: list[Example]) -> None:
        """Learn from each example once."""
        for batch in self.settings["batcher"](examples):
            self.update(batch)

    def forget_words(self) -> None:
        """Let a round begin without the vectors of words that ours keeps from the one before."""
        for _, pipe in self.nlp.pipeline:
            if isinstance(pipe, BiLSTMCRFEntityRecognizer):
                pipe.model.from_bytes(pipe.model.to_bytes())

    def tokenised(self) -> list[Doc]:
        """Return documents without entities."""
        self.forget_words()
        return [Doc(self.nlp.vocab, words=[token.text for token in doc]) for doc in self.dev]

    def untokenised(self) -> list[str]:
        """Return the documents' texts."""
        self.forget_words()
        return self.texts

    def tag(self, docs: Iterable[str | Doc]) -> None:
        """Run the pipeline. Docs keep their tokens."""
        for _ in self.nlp.pipe(docs):
            pass


def main() -> None:
    """Read the arguments, and answer commands."""
    config, train, dev, vectors, device, *precision = sys.argv[1:]
    torch.set_num_threads(1)
    if device != "cpu":
        spacy.require_gpu()
    tagger = Tagger(config, train, dev, vectors)
    for each in precision:
        export(tagger.nlp, precision=each)  # type: ignore[arg-type]
    serve(
        {
            "train": (lambda: tagger.examples, tagger.train),
            "predict": (tagger.tokenised, tagger.tag),
            "pipe": (tagger.untokenised, tagger.tag),
        },
        words={
            "train": sum(len(example) for example in tagger.examples),
            "predict": sum(map(len, tagger.dev)),
        },
    )


if __name__ == "__main__":
    main()
