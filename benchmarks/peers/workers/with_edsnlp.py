"""EDS-NLP's `eds.ner_crf` at work: see `protocol.py`.

As its tutorial has it: a convolution over a transformer, a CRF for each label, and the step sizes
of the tutorial. The component has no embedding without a transformer.
"""

import json
from pathlib import Path
from typing import Any

import edsnlp
import edsnlp.pipes as eds
import torch
from edsnlp.data import from_iterable
from edsnlp.metrics.ner import NerExactMetric
from edsnlp.training import ScheduledOptimizer, TrainingData
from edsnlp.training import train as train_pipeline
from edsnlp.training.trainer import GenericScorer
from spacy.tokens import Doc, Span

from benchmarks.peers.workers.protocol import Batches, OfDocs, Settings, read_texts, run

torch.set_num_threads(1)
GOLD = "gold_spans"
MODEL = "model-best"
BATCH = "1024 words"
SCORED = 32  # texts at a time; by default one
N_EVALUATIONS = 10


def docs_of(nlp: Any, path: str) -> list[Doc]:
    """Read annotated texts."""
    docs = []
    for text in read_texts(Path(path)):
        doc = Doc(nlp.vocab, words=text.words)
        doc.spans[GOLD] = [Span(doc, *entity) for entity in text.entities]
        docs.append(doc)
    return docs


def pipeline(transformer: str) -> Any:
    """Return a pipeline that is to be trained."""
    nlp = edsnlp.blank("eds")
    embedding = eds.transformer(model=transformer, window=128, stride=96)
    component = eds.ner_crf(
        mode="joint",
        target_span_getter=GOLD,
        span_setter=["ents", "*"],
        infer_span_setter=True,
        embedding=eds.text_cnn(kernel_sizes=[3], embedding=embedding),
    )
    nlp.add_pipe(component, name="ner")
    return nlp


def optimizer(nlp: Any, steps: int) -> ScheduledOptimizer:
    """Return the optimizer of the tutorial."""
    linear = {"@schedules": "linear", "warmup_rate": 0.1}
    return ScheduledOptimizer(
        optim=torch.optim.AdamW,
        module=nlp,
        total_steps=steps,
        groups={
            "ner[.]embedding[.]embedding": {"lr": {**linear, "start_value": 0, "max_value": 5e-5}},
            ".*": {"lr": {**linear, "start_value": 3e-4, "max_value": 3e-4}},
        },
    )


def train(settings: Settings) -> None:
    """Train a pipeline; the best on dev is saved."""
    assert settings.transformer is not None, "eds.ner_crf needs a transformer."
    folder = Path(settings.model)
    nlp = pipeline(settings.transformer)
    best = -1.0

    def save_best(metrics: dict[str, Any]) -> None:
        nonlocal best
        f = metrics["validation"]["ner"]["micro"]["f"]
        print(json.dumps({"step": metrics["step"], "dev_f": f}), flush=True)
        if f > best:
            best = f
            nlp.to_disk(folder / MODEL)

    examples = TrainingData(
        data=from_iterable(docs_of(nlp, settings.train)),
        batch_size=BATCH,
        pipe_names=["ner"],
        shuffle="dataset",
    )
    train_pipeline(
        nlp=nlp,
        seed=settings.seed,
        max_steps=settings.most,
        validation_interval=max(1, settings.most // N_EVALUATIONS),
        train_data=examples,
        val_data=from_iterable(docs_of(nlp, settings.dev)),
        scorer=GenericScorer(SCORED, speed=False, ner=NerExactMetric(span_getter=GOLD)),
        optimizer=optimizer(nlp, settings.most),
        grad_max_norm=1.0,
        output_dir=folder,
        save_model=False,
        logger=False,
        cpu=True,
        on_validation_callback=save_best,
    )


class Pipeline(OfDocs):
    """A trained pipeline, and how it is asked."""

    def __init__(self, model: str) -> None:
        self.nlp = edsnlp.load(Path(model) / MODEL)

    def prepared(self, batches: Batches) -> list[list[Doc]]:
        """Make docs of words."""
        return [[Doc(self.nlp.vocab, words=words) for words in batch] for batch in batches]


if __name__ == "__main__":
    run(Pipeline, ("edsnlp", "torch", "transformers"), train)
