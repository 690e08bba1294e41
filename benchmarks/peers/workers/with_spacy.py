"""A spaCy pipeline at work, ours or another's: see `protocol.py`. The study itself trains them."""

from contextlib import suppress

import spacy
from spacy.tokens import Doc

from benchmarks.peers.workers.protocol import Batches, OfDocs, run

with suppress(ImportError):  # what is exported runs without torch
    import torch

    torch.set_num_threads(1)


class Pipeline(OfDocs):
    """A pipeline, and how it is asked."""

    def __init__(self, model: str) -> None:
        self.nlp = spacy.load(model)

    def prepared(self, batches: Batches) -> list[list[Doc]]:
        """Make docs of words, and forget the vectors of words that ours keeps."""
        for _, pipe in self.nlp.pipeline:
            if type(pipe).__module__.startswith("spacy_bilstm_crf"):
                pipe.model.from_bytes(pipe.model.to_bytes())
        return [[Doc(self.nlp.vocab, words=words) for words in batch] for batch in batches]


if __name__ == "__main__":
    run(Pipeline, ("spacy",))
