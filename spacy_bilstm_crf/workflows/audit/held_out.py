"""Models that are trained on folds of the data, and what each says about the fold it never saw.

The folds are those of cross-validation, as in confident learning (Northcutt et al. 2021). What is
judged by is the probability of a whole entity instead of each token's.
"""

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import spacy
from spacy.attrs import ENT_IOB
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, minibatch
from thinc.api import Config

from ...data.corpus import before_component, unannotated, words_of
from ...decoding import candidate_entities, span_probabilities, token_probabilities
from ...pipeline import BiLSTMCRFEntityRecognizer
from ...tags import OUTSIDE
from .suspects import Scored, Suspect, suspects_of

# Of the docs that a fold's model is trained on, those that the best of its states is chosen by
SHARE_OF_DEV = 0.1
LEAST_CANDIDATE = 1e-5
BATCH = 64  # docs
QUIET = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}


class Fold(NamedTuple):
    """A part of the docs, by their places, and a model that was trained on the others."""

    held_out: list[int]
    nlp: Language


def trained_folds(
    config: Path,
    overrides: dict[str, Any],
    docs: Sequence[Doc],
    n_folds: int,
    use_gpu: int = -1,
    seed: int = 0,
) -> Iterator[Fold]:
    """Folds of the docs, each with a model that was trained on the others.

    Docs of the same words are in one fold: a model would have seen its copy.

    Args:
        config: A training config. Its paths.train and paths.dev are replaced.
        overrides: Other settings of it.
        docs: The annotated docs.
        n_folds: Number of folds, at least 2.
        use_gpu: ID of the GPU, or -1.
        seed: Of the cut into folds.
    """
    place = folds(docs, n_folds, seed)
    for fold in range(n_folds):
        held_out = [i for i, of in enumerate(place) if of == fold]
        others = [i for i, of in enumerate(place) if of != fold]
        with TemporaryDirectory(prefix="audit-") as temporary:
            kept = [docs[i] for i in others]
            model = _train(config, overrides, kept, Path(temporary), use_gpu, seed)
            yield Fold(held_out, model)


def folds(docs: Sequence[Doc], n_folds: int, seed: int) -> list[int]:
    """The fold of each doc, at random, of about as many docs each."""
    groups: dict[str, list[int]] = {}
    for i, doc in enumerate(docs):
        groups.setdefault(words_of(doc), []).append(i)
    if n_folds < 2 or len(groups) < n_folds:
        raise ValueError(
            f"{len(groups)} different docs can't be cut into {n_folds} folds. Take from 2 folds up "
            f"to as many as there are docs."
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
    overrides: dict[str, Any],
    docs: list[Doc],
    folder: Path,
    use_gpu: int,
    seed: int,
) -> Language:
    """Train a pipeline as `spacy train` does; returns the best by a part of the docs."""
    docs = list(docs)
    random.Random(seed).shuffle(docs)
    n_dev = max(1, round(SHARE_OF_DEV * len(docs)))
    paths = {"paths.train": folder / "train.spacy", "paths.dev": folder / "dev.spacy"}
    for path, part in zip(paths.values(), (docs[n_dev:], docs[:n_dev])):
        DocBin(docs=part, store_user_data=True).to_disk(path)
    settings = {**overrides, **{name: str(path) for name, path in paths.items()}}
    loaded: Config = load_config(config, overrides=settings, interpolate=False)
    loaded["training"]["logger"] = QUIET
    nlp = init_nlp(loaded, use_gpu=use_gpu)
    (folder / "model").mkdir()
    train(nlp, folder / "model", use_gpu=use_gpu, stdout=io.StringIO(), stderr=io.StringIO())
    best = folder / "model" / "model-best"
    return spacy.load(best if best.exists() else folder / "model" / "model-last")


def suspects_in(fold: Fold, docs: Sequence[Doc], component: str = "ner") -> list[Suspect]:
    """What is suspect in the docs that a fold's model never saw.

    Args:
        fold: The fold.
        docs: All annotated docs.
        component: The component that finds entities.
    """
    return [one for each in judged(fold, docs, component) for one in suspects_of(*each)]


def judged(
    fold: Fold, docs: Sequence[Doc], component: str
) -> Iterator[tuple[int, list[Scored], list[Scored]]]:
    """What a fold's model says about the docs that it never saw.

    Yields:
        Place of the doc, its annotated entities, and the entities that the model thinks possible.
        Entities that are not made of whole tokens of the pipeline are left out, as in training,
        and what overlaps tokens of which nothing is annotated.
    """
    pipe = fold.nlp.get_pipe(component)
    for batch in minibatch(fold.held_out, BATCH):
        made = [unannotated(fold.nlp, docs[i]) for i in batch]
        predicted = before_component(fold.nlp, made, component)
        examples = [Example(doc, docs[i]) for doc, i in zip(predicted, batch)]
        if isinstance(pipe, BiLSTMCRFEntityRecognizer):
            scored = _with_probabilities(pipe, examples)
        else:
            scored = _without_probabilities(pipe, examples)
        for i, (gold, found) in zip(batch, scored):
            missing = _missing(docs[i])
            known = [entity for entity in found if not any(entity.overlaps(m) for m in missing)]
            yield i, gold, known


def _with_probabilities(
    ner: BiLSTMCRFEntityRecognizer, examples: list[Example]
) -> Iterator[tuple[list[Scored], list[Scored]]]:
    docs = [example.predicted for example in examples]
    gold = [_gold_of(example) for example in examples]
    labels = {label: i for i, label in enumerate(ner.labels)}
    known = [
        [(span.start, span.end, labels[span.label_]) for span in spans if span.label_ in labels]
        for spans in gold
    ]
    distribution = ner.distribution(docs)
    of_gold = span_probabilities(distribution, known)
    possible = candidate_entities(distribution, LEAST_CANDIDATE, ner.candidates_max_length)
    inside = [1.0 - of_doc[:, OUTSIDE] for of_doc in token_probabilities(distribution)]
    for doc, spans, probabilities, candidates, of_tokens in zip(
        docs, gold, of_gold, possible, inside
    ):
        left = iter(probabilities)
        annotated = [
            Scored(
                span.start_char,
                span.end_char,
                span.label_,
                next(left) if span.label_ in labels else 0.0,
                n_tokens=len(span),
            )
            for span in spans
        ]
        found = []
        for start, end, label, probability in candidates:
            span = doc[start:end]
            found.append(
                Scored(
                    *(span.start_char, span.end_char, ner.labels[label], probability),
                    inside=float(of_tokens[start:end].max()),
                )
            )
        yield annotated, found


def _without_probabilities(
    pipe: Any, examples: list[Example]
) -> Iterator[tuple[list[Scored], list[Scored]]]:
    for example in examples:
        gold = _gold_of(example)
        found = pipe(example.predicted).ents
        yield tuple(  # type: ignore[misc]
            [Scored(span.start_char, span.end_char, span.label_, None) for span in spans]
            for spans in (gold, found)
        )


def _gold_of(example: Example) -> list[Any]:
    """Annotated entities as spans of the predicted doc, those that are whole tokens of it."""
    doc = example.predicted
    spans = (
        doc.char_span(ent.start_char, ent.end_char, label=ent.label_)
        for ent in example.reference.ents
    )
    return [span for span in spans if span is not None]


def _missing(doc: Doc) -> list[Scored]:
    """Tokens of which nothing is annotated."""
    iob = cast(Any, doc.to_array([ENT_IOB]))
    return [
        Scored(token.idx, token.idx + len(token), "", None)
        for token, value in zip(doc, iob)
        if value == 0
    ]
