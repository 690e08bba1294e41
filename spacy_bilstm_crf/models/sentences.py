"""A layer that reads each sentence of a doc on its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
from spacy.attrs import SENT_START
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..potentials import Potentials
from .torch_layer import rows_of_docs

BY_SENTENCE = "sentence_by_sentence"  # name of the layer


def sentence_by_sentence(
    tok2vec: Model[list[Doc], list[Floats2d]], network: Model[list[Floats2d], Any]
) -> Model[list[Doc], Any]:
    """Chain a tok2vec that reads whole docs and a network that reads single sentences.

    Args:
        tok2vec: Returns a vector for each token.
        network: Takes the vectors of sequences, and returns vectors of their tokens or potentials.

    Returns:
        A layer that returns vectors of the docs' tokens or potentials of docs.
    """
    return Model(BY_SENTENCE, _forward, init=_init, layers=[tok2vec, network], dims={"nO": None})


def _init(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:
    tok2vec, network = model.layers
    tok2vec.initialize(X=X)
    network.initialize(X=None if X is None else tok2vec.predict(X), Y=Y)
    if network.has_dim("nO"):
        model.set_dim("nO", network.get_dim("nO"), force=True)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[Any, Callable[[Any], list[Doc]]]:
    tok2vec, network = model.layers
    lengths = [sentence_lengths(doc) for doc in docs]
    vectors, backprop_tok2vec = tok2vec(docs, is_train)
    output, backprop_network = network(_split(vectors, lengths), is_train)

    def joined(sentences: list[Floats2d]) -> list[Floats2d]:
        remaining = iter(sentences)
        return [model.ops.xp.concatenate([next(remaining) for _ in of_doc]) for of_doc in lengths]

    def backprop(gradient: Any) -> list[Doc]:
        if isinstance(gradient, Potentials):
            gradient = gradient.backprop_starting_anew(lengths)
            emissions = _split(gradient.emissions, lengths)
            d_sentences = backprop_network(replace(gradient, emissions=emissions))
        else:
            d_sentences = backprop_network(_split(gradient, lengths))
        return backprop_tok2vec(joined(d_sentences))

    if isinstance(output, Potentials):
        of_docs = replace(output, emissions=joined(output.emissions))
        return of_docs.starting_anew(lengths), backprop
    return joined(output), backprop


def _split(vectors: list[Floats2d], lengths: list[list[int]]) -> list[Floats2d]:
    """Split the rows of docs into those of sentences, as views."""
    return [rows for x, of_doc in zip(vectors, lengths) for rows in rows_of_docs(x, of_doc)]


def sentence_lengths(doc: Doc) -> list[int]:
    """Return the number of tokens of each sentence of a doc.

    A doc without sentences counts as one sentence: layers are initialized with such docs.
    """
    starts = np.flatnonzero(cast(np.ndarray, doc.to_array([SENT_START])).ravel()[1:] == 1) + 1
    return np.diff([0, *starts, len(doc)]).tolist()


def check_sentences(docs: list[Doc]) -> None:
    """Check that the sentences of docs are set.

    Raises:
        ValueError: Naming a doc without sentences.
    """
    for doc in docs:
        if len(doc) > 1 and not doc.has_annotation("SENT_START"):
            raise ValueError(
                "The config has by_sentence = true, but nothing has found the sentences of the "
                f"doc {doc[:10].text!r}. Put one that does before this one, such as 'sentencizer'; "
                "for training, also name it in [training] annotating_components."
            )
