"""An objective for `spacy pretrain --code benchmarks/encoder/objectives.py`: a teacher's states."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import spacy
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, Ops, PyTorchWrapper
from thinc.compat import torch
from thinc.types import Floats1d

from spacy_bilstm_crf.models.pretraining import NextAndPreviousWord, rows_of_words

STATES, ROWS = "states.npy", "rows.json"  # what states.py writes
Losses = tuple[Floats1d, Floats1d | None]  # of states, and of neighbouring words


class StatesNetwork(torch.nn.Module):
    """Predicts the teacher's state of each token.

    Args:
        n_inputs: Width of the encoder's output.
        width: Width of the states.
    """

    def __init__(self, n_inputs: int, width: int):
        super().__init__()
        self.output = torch.nn.Linear(n_inputs, width)

    def forward(self, hidden: "torch.Tensor", states: "torch.Tensor") -> "torch.Tensor":
        """Compute the mean squared error of each token, float32 [number of tokens]."""
        return ((self.output(hidden) - states) ** 2).mean(dim=1)


@spacy.registry.architectures("benchmarks.TeacherStates.v1")
def TeacherStates(
    folder: str, with_words: bool, n_rows: int = 20000, weight: float = 30.0
) -> Callable[[Vocab, Model], Model]:
    """Create an objective: predict the state that a transformer has of each token.

    Args:
        folder: What states.py wrote for the same texts.
        with_words: Whether to predict the neighbouring words as well: see `NextAndPreviousWord`.
        n_rows: Rows of the table that these are hashed to.
        weight: Weight of the states' mean squared error beside the words' loss in nats. A mean over
            components is small, though each of them tells about as much as a part of a word does.
    """
    states: np.ndarray = np.load(Path(folder, STATES), mmap_mode="r")
    rows = json.loads(Path(folder, ROWS).read_text(encoding="utf8"))

    def create(vocab: Vocab, tok2vec: Model) -> Model:
        words = NextAndPreviousWord(n_rows)(vocab, tok2vec) if with_words else None
        network = PyTorchWrapper(StatesNetwork(tok2vec.get_dim("nO"), states.shape[1]))
        model: Model = Model(
            "teacher_states",
            _forward,
            init=_init,
            layers=[tok2vec, network, *([] if words is None else [words.get_ref("output_layer")])],
            attrs={"loss": _loss, "states": states, "rows": rows, "words": words, "weight": weight},
        )
        model.set_ref("tok2vec", tok2vec)
        return model

    return create


def _init(model: Model, X: list[Doc] | None = None, Y: object = None) -> None:
    model.layers[0].initialize(X=X)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[Losses, Callable[[Losses], list[Doc]]]:
    tok2vec, network, *output = model.layers
    vectors, backprop_vectors = tok2vec(docs, is_train)
    lengths = [len(doc) for doc in docs]
    starts = [_first_row(model.attrs["rows"], doc) for doc in docs]
    of_docs = [model.attrs["states"][row : row + n] for row, n in zip(starts, lengths)]
    states = np.concatenate(of_docs).astype(np.float32)
    of_states, backprop_states = network((np.concatenate(vectors), states), is_train)
    of_words, backprop_words = None, None
    if output:
        rows = rows_of_words(docs, model.attrs["words"].attrs["n_rows"])
        of_words, backprop_words = output[0]((vectors, rows), is_train)

    def backprop(d_losses: Losses) -> list[Doc]:
        d_states, d_words = d_losses
        d_hidden, _ = backprop_states(d_states * np.float32(model.attrs["weight"]))
        d_vectors = np.split(d_hidden, np.cumsum(lengths)[:-1])
        if backprop_words is not None:
            d_vectors = [a + b for a, b in zip(d_vectors, backprop_words(d_words))]
        return backprop_vectors(d_vectors)

    return (of_states, of_words), backprop


def _first_row(rows: dict[str, int], doc: Doc) -> int:
    """Return the row of a text's first word.

    Raises:
        ValueError: If there are no states of the text.
    """
    row = rows.get(str(get_string_id(doc.text)))
    if row is None:
        raise ValueError(
            f"There are no states of the text {doc.text[:50]!r}: run benchmarks.encoder.states on "
            f"the whole of --paths.raw_text, with as many --words as it has tokens."
        )
    return row


def _loss(ops: Ops, docs: list[Doc], losses: Losses) -> tuple[float, Losses]:
    """Return the sum of the losses, and the gradients of the means."""
    of_states, of_words = losses
    total, d_states = _summed(of_states)
    if of_words is None:
        return total, (d_states, None)
    of_both, d_words = _summed(of_words)
    return total + of_both, (d_states, d_words)


def _summed(losses: Floats1d) -> tuple[float, Floats1d]:
    gradient = np.full(len(losses), 1 / max(len(losses), 1), dtype=np.float32)
    return float(np.sum(cast(Any, losses))), cast(Floats1d, gradient)
