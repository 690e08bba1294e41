"""Stanza's NER tagger at work, without its character language model: see `protocol.py`.

Its own defaults in sizes and training, by `stanza.models.ner_tagger`: an LSTM of 256 units in each
direction with a CRF over vectors of words, which stay as they are but for a difference that is
learned for each word of the training part, and a character LSTM that is learned, too. Sentences are
given to the steps that Stanza's processor takes; a `stanza.Pipeline` would download a list of its
models first.
"""

import json
from pathlib import Path

import torch
from stanza.models import ner_tagger
from stanza.models.common.doc import NER, TEXT, Document
from stanza.models.common.pretrain import Pretrain
from stanza.models.ner.data import DataLoader
from stanza.models.ner.trainer import Trainer

from benchmarks.peers.workers.protocol import Batches, Entity, Settings, Text, read_texts, run

torch.set_num_threads(1)
MODEL, VECTORS = "tagger.pt", "vectors.pt"
BATCH = 32  # its own default
EVALUATE_EVERY = 100  # steps; by default 500, for corpora of another size


def tags_of(text: Text) -> list[str]:
    """Write entities as BIO tags."""
    tags = ["O"] * len(text.words)
    for start, end, label in text.entities:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def write_json(texts: str, path: Path) -> Path:
    """Write annotated texts in Stanza's format, and return the path."""
    found = [
        [{TEXT: word, NER: tag} for word, tag in zip(text.words, tags_of(text))]
        for text in read_texts(Path(texts))
    ]
    path.write_text(json.dumps(found), encoding="utf8")
    return path


def train(settings: Settings) -> None:
    """Train a tagger; the best on dev is saved."""
    folder = Path(settings.model)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: write_json(texts, folder / f"{name}.json")
        for name, texts in (("train", settings.train), ("eval", settings.dev))
    }
    options = ["--train_file", files["train"], "--eval_file", files["eval"]]
    options += ["--shorthand", "en_peers", "--save_dir", folder, "--save_name", MODEL, "--cpu"]
    options += ["--seed", settings.seed, "--max_steps", settings.most]
    options += ["--eval_interval", EVALUATE_EVERY]
    if settings.vectors is None:
        options.append("--no_pretrain")
    else:
        Pretrain(str(folder / VECTORS), settings.vectors).load()  # which saves them
        options += ["--wordvec_pretrain_file", folder / VECTORS]
    ner_tagger.main([str(option) for option in options])
    for file in files.values():
        file.unlink()


class Tagger:
    """A trained tagger, and how it is asked."""

    def __init__(self, model: str) -> None:
        vectors = Path(model) / VECTORS
        pretrain = Pretrain(str(vectors)) if vectors.exists() else None
        self.trainer = Trainer(
            model_file=str(Path(model) / MODEL), pretrain=pretrain, device="cpu", args={}
        )

    def prepared(self, batches: Batches) -> list[Document]:
        """Make documents with a sentence for each text."""
        return [
            Document(
                [[{"id": i, TEXT: word} for i, word in enumerate(words, 1)] for words in batch]
            )
            for batch in batches
        ]

    def find(self, document: Document) -> None:
        """Find the entities in sentences, as Stanza's processor does."""
        with torch.no_grad():
            batches = DataLoader(
                document,
                BATCH,
                self.trainer.args,
                vocab=self.trainer.vocab,
                evaluation=True,
                preprocess_tags=False,
            )
            tags = [
                tag for batch in batches for tags in self.trainer.predict(batch) for tag in tags
            ]
        document.set([NER], tags, to_token=True)
        document.build_ents()

    def found(self, document: Document) -> list[list[Entity]]:
        """Return the entities of sentences."""
        return [
            [(ent.tokens[0].id[0] - 1, ent.tokens[-1].id[0], ent.type) for ent in sentence.ents]
            for sentence in document.sentences
        ]


if __name__ == "__main__":
    run(Tagger, ("stanza", "torch"), train)
