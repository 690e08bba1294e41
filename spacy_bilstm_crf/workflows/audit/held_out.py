"""Cross-validation: train a model for each fold of the data, and let it judge that fold.

The folds are used as in confident learning (Northcutt et al. 2021). Annotation is judged by the
probabilities of whole entities rather than of tokens.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_config, minibatch

from ...common.errors import UserError, reported_errors
from ...data.corpus import before_component, unannotated, words_of
from ...decoding import candidate_entities, span_probabilities, token_probabilities
from ...pipeline import BiLSTMCRFEntityRecognizer
from ...tags import OUTSIDE
from ...training.loop import best_model, train_pipeline
from .suspects import ScoredEntity

# The part of a fold's training docs by which the best state of its model is chosen
SHARE_OF_DEV = 0.1
POSSIBLE = 1e-5  # minimum probability of a candidate
DOCS_AT_A_TIME = 64

Judgment = tuple[list[ScoredEntity], list[ScoredEntity]]  # annotated entities, the model's


class Fold(NamedTuple):
    """Held-out docs, by their indices, and a model that was trained on the others."""

    held_out: list[int]
    nlp: Language


def trained_folds(
    config: Path,
    overrides: Mapping[str, Any],
    docs: Sequence[Doc],
    n_folds: int,
    use_gpu: int = -1,
    seed: int = 0,
) -> Iterator[Fold]:
    """Split docs into folds, and train a model on all others of each.

    Docs with the same words are in the same fold: otherwise a model would have seen a copy.

    Args:
        config: A training config. Its paths.train and paths.dev are replaced.
        overrides: Other settings of it to replace.
        docs: The annotated docs.
        n_folds: Number of folds, at least 2.
        use_gpu: ID of the GPU, or -1 for the CPU.
        seed: For the assignment of docs to folds.

    Raises:
        UserError: If there are fewer different docs than folds, or a training fails.
    """
    place = fold_of_docs(docs, n_folds, seed)
    for fold in range(n_folds):
        held_out = [i for i, of in enumerate(place) if of == fold]
        others = [doc for doc, of in zip(docs, place) if of != fold]
        with TemporaryDirectory(prefix="audit-") as temporary:
            nlp = _train(config, overrides, others, Path(temporary), use_gpu, seed)
        yield Fold(held_out, nlp)


def fold_of_docs(docs: Sequence[Doc], n_folds: int, seed: int) -> list[int]:
    """Return the fold of each doc. Folds are random, and of about equal size."""
    groups: dict[str, list[int]] = {}
    for i, doc in enumerate(docs):
        groups.setdefault(words_of(doc), []).append(i)
    if n_folds < 2 or len(groups) < n_folds:
        raise UserError(
            f"{len(groups)} different docs can't be split into {n_folds} folds. Use at least 2 "
            f"folds, and at most as many as there are different docs."
        )
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    place = [0] * len(docs)
    for number, group in enumerate(order):
        for i in group:
            place[i] = number % n_folds
    return place


def _train(
    config: Path,
    overrides: Mapping[str, Any],
    docs: list[Doc],
    folder: Path,
    use_gpu: int,
    seed: int,
) -> Language:
    """Train a pipeline as `spacy train` does, and load its best state by a part of the docs."""
    random.Random(seed).shuffle(docs)
    n_dev = max(1, round(SHARE_OF_DEV * len(docs)))
    paths = {"paths.train": folder / "train.spacy", "paths.dev": folder / "dev.spacy"}
    for path, part in zip(paths.values(), (docs[n_dev:], docs[:n_dev])):
        DocBin(docs=part, store_user_data=True).to_disk(path)
    settings = {**overrides, **{name: str(path) for name, path in paths.items()}}
    with reported_errors("A model can't be trained on a part of the data"):
        loaded = load_config(config, overrides=settings, interpolate=False)
        train_pipeline(loaded, folder / "model", use_gpu=use_gpu, verbose=False)
    return spacy.load(best_model(folder / "model"))


def judged(
    fold: Fold, docs: Sequence[Doc], component: str
) -> Iterator[tuple[int, list[ScoredEntity], list[ScoredEntity]]]:
    """Let a fold's model judge the docs that it has not seen.

    Args:
        fold: The fold.
        docs: All annotated docs.
        component: Name of the component that finds entities.

    Yields:
        Index of the doc, its annotated entities, and the entities that the model considers
        possible. Annotated entities that are not made of whole tokens of the pipeline are left
        out, as in training, and so are possible ones on tokens without annotation.
    """
    pipe: Any = fold.nlp.get_pipe(component)
    judge = _probable if isinstance(pipe, BiLSTMCRFEntityRecognizer) else _found
    for batch in minibatch(fold.held_out, DOCS_AT_A_TIME):
        made = [unannotated(fold.nlp, docs[i]) for i in batch]
        predicted = before_component(fold.nlp, made, component)
        gold = [_gold_spans(Example(doc, docs[i])) for doc, i in zip(predicted, batch)]
        for i, (annotated, possible) in zip(batch, judge(pipe, predicted, gold)):
            missing = _missing(docs[i])
            known = [entity for entity in possible if not any(map(entity.overlaps, missing))]
            yield i, annotated, known


def _probable(
    ner: BiLSTMCRFEntityRecognizer, docs: list[Doc], gold: list[list[Span]]
) -> Iterator[Judgment]:
    """Score gold spans and candidates with exact probabilities."""
    labels = {label: i for i, label in enumerate(ner.labels)}
    # An entity with a label that the model does not have gets a probability of 0
    known = [
        [(span.start, span.end, labels[span.label_]) for span in spans if span.label_ in labels]
        for spans in gold
    ]
    distribution = ner.distribution(docs)
    of_gold = span_probabilities(distribution, known)
    candidates = candidate_entities(distribution, POSSIBLE, ner.candidates_max_length)
    of_tokens = token_probabilities(distribution)
    for doc, spans, scores, possible, tokens in zip(docs, gold, of_gold, candidates, of_tokens):
        left = iter(scores)
        annotated = [_scored(span, next(left) if span.label_ in labels else 0.0) for span in spans]
        inside = 1.0 - tokens[:, OUTSIDE]
        found = [
            _scored(Span(doc, start, end, ner.labels[label]), probability)._replace(
                inside=float(inside[start:end].max())
            )
            for start, end, label, probability in possible
        ]
        yield annotated, found


def _found(pipe: Any, docs: list[Doc], gold: list[list[Span]]) -> Iterator[Judgment]:
    """Return the entities that a component without probabilities finds."""
    for doc, spans in zip(docs, gold):
        found = pipe(doc).ents
        yield [_scored(span, None) for span in spans], [_scored(ent, None) for ent in found]


def _scored(span: Span, probability: float | None) -> ScoredEntity:
    return ScoredEntity(
        span.start_char, span.end_char, span.label_, probability, n_tokens=len(span)
    )


def _gold_spans(example: Example) -> list[Span]:
    """Return the annotated entities that are made of whole tokens of the predicted doc."""
    spans = (
        example.predicted.char_span(ent.start_char, ent.end_char, label=ent.label_)
        for ent in example.reference.ents
    )
    return [span for span in spans if span is not None]


def _missing(doc: Doc) -> list[ScoredEntity]:
    """Return the tokens without annotation."""
    return [
        ScoredEntity(token.idx, token.idx + len(token), "", None)
        for token in doc
        if token.ent_iob == 0
    ]
