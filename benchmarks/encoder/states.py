"""Compute a transformer's states of the words of raw texts, once for all epochs.

    python -m benchmarks.encoder.states texts.jsonl MINILM states [--words 4000000] [--width 128]

MINILM is the folder of a Hugging Face model. Words are spaCy's tokens, of which the transformer
reads 128 at once; the state of a word is the mean over its pieces, of the last four layers. Of the
states, the principal components stay, each divided by its standard deviation. They go to
states/states.npy, float16 [number of tokens, width], and the first row of each text, by the hash
of the text, to states/rows.json. One thread.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import spacy
import srsly
import torch
import typer
from numpy.lib.format import open_memmap
from spacy.strings import get_string_id
from spacy.tokens import Doc

from benchmarks.encoder.objectives import ROWS, STATES
from benchmarks.harness import command

WINDOW = 128  # words
LAYERS = 4
TO_FIT = 50_000  # words whose principal components are taken
AT_ONCE = 64  # windows


class Components(NamedTuple):
    """What makes a few independent numbers of a state.

    Attributes:
        mean: The mean state.
        axes: The principal components, each divided by its standard deviation.
    """

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, states: np.ndarray, width: int) -> "Components":
        """Fit them to states, float32 [number of words, width of the transformer]."""
        mean = states.mean(axis=0)
        _, sizes, axes = np.linalg.svd(states - mean, full_matrices=False)
        deviations = sizes[:width] / np.sqrt(len(states))
        return cls(mean, (axes[:width] / deviations[:, None]).T)

    def of(self, states: np.ndarray) -> np.ndarray:
        """Return the components of states, float32 [number of words, width]."""
        return (states - self.mean) @ self.axes


class Transformer:
    """Reads words, and returns a state for each.

    Args:
        folder: Folder of a Hugging Face model.
    """

    def __init__(self, folder: Path):
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModel.from_pretrained(folder).eval()

    def states(self, windows: list[list[str]]) -> list[np.ndarray]:
        """Return the states of the words of each window, float32 [number of words, width].

        Windows of a batch are best of about the same length. A word without pieces gets zeros.
        """
        read = self.tokenizer(
            windows, is_split_into_words=True, return_tensors="pt", padding=True, truncation=True
        )
        with torch.inference_mode():
            layers = self.model(**read, output_hidden_states=True).hidden_states[-LAYERS:]
        of_pieces = torch.stack(layers).mean(dim=0).numpy()
        found = []
        for i, words in enumerate(windows):
            word = np.array([-1 if w is None else w for w in read.word_ids(i)])
            sums = np.zeros((len(words), of_pieces.shape[-1]), dtype=np.float32)
            np.add.at(sums, word[word >= 0], of_pieces[i][word >= 0])
            counts = np.bincount(word[word >= 0], minlength=len(words))
            found.append(sums / np.maximum(counts, 1)[:, None])
        return found


def windows_of(docs: list[Doc]) -> list[list[str]]:
    """Cut the words of docs into windows, so that each doc begins with one."""
    words = [[token.text for token in doc] for doc in docs]
    return [
        of_doc[i : i + WINDOW] for of_doc in words for i in range(0, len(of_doc), WINDOW) if of_doc
    ]


def batches_by_length(windows: list[list[str]]) -> Iterator[list[int]]:
    """Yield the numbers of windows, those of about the same length together."""
    order = sorted(range(len(windows)), key=lambda i: len(windows[i]))
    for start in range(0, len(order), AT_ONCE):
        yield order[start : start + AT_ONCE]


def texts_of(path: Path) -> Iterator[str]:
    """Read the texts of a file, as `spacy pretrain` does."""
    return (line["text"] for line in srsly.read_jsonl(path))


def main(
    texts: Annotated[Path, typer.Argument(help="JSON lines with the key `text`", exists=True)],
    transformer: Annotated[Path, typer.Argument(help="Folder of the transformer", exists=True)],
    out: Annotated[Path, typer.Argument(help="Folder to write")],
    most: Annotated[int, typer.Option("--words", help="Words to read, at most")] = 4_000_000,
    width: Annotated[int, typer.Option(help="Principal components to keep")] = 128,
) -> None:
    """Read the texts, and write the states of their words."""
    torch.set_num_threads(1)
    nlp, teacher = spacy.blank("en"), Transformer(transformer)
    docs: list[Doc] = []
    n_words = 0
    for text in texts_of(texts):
        if n_words >= most:
            break
        docs.append(nlp.make_doc(text))
        n_words += len(docs[-1])
    windows = windows_of(docs)
    starts = np.cumsum([0, *map(len, windows)])
    to_fit = windows[: int(np.searchsorted(starts, TO_FIT))]
    found = [
        of_window
        for batch in batches_by_length(to_fit)
        for of_window in teacher.states([to_fit[i] for i in batch])
    ]
    components = Components.fit(np.concatenate(found), width)
    out.mkdir(parents=True, exist_ok=True)
    states = open_memmap(out / STATES, "w+", np.float16, (n_words, width))
    for number, batch in enumerate(batches_by_length(windows)):
        for i, of_window in zip(batch, teacher.states([windows[i] for i in batch])):
            states[starts[i] : starts[i + 1]] = components.of(of_window)
        if number % 100 == 0:
            print(f"{number * AT_ONCE:,} of {len(windows):,} windows", flush=True)
    states.flush()
    firsts = np.cumsum([0, *(len(doc) for doc in docs)])
    rows = {str(get_string_id(doc.text)): int(row) for doc, row in zip(docs, firsts)}
    (out / ROWS).write_text(json.dumps(rows), encoding="utf8")


if __name__ == "__main__":
    command.run(main)
