"""Word vectors that take less room: fewer words, fewer bits."""

from pathlib import Path

import numpy as np
import srsly
from spacy.language import Language
from spacy.vectors import Mode, Vectors
from thinc.api import Model, NumpyOps

DTYPES = ("float32", "float16")
# spaCy's layers that multiply with the vectors as they are
READERS_OF_FLOAT32 = ("static_vectors",)


def shrink_vectors(nlp: Language, keep_words: int | None, dtype: str) -> list[str]:
    """Leave a pipeline the vectors of its first words alone, with fewer bits.

    Vectors come in the order of their words' frequency, from most tools: so the rarest go.

    Args:
        nlp: The pipeline, which is changed.
        keep_words: Number of vectors to keep; None for all.
        dtype: One of `DTYPES`.

    Returns:
        Words that have no vector any more.

    Raises:
        ValueError: If there is nothing to shrink, or it can't be.
    """
    vectors = nlp.vocab.vectors
    if not vectors.size:
        raise ValueError("it has no word vectors: there is nothing to shrink.")
    if vectors.mode == Mode.floret:
        raise ValueError("its vectors are made of parts of words (floret), which can't be shrunk.")
    readers = [] if dtype == "float32" else readers_of_float32(nlp)
    if readers:
        raise ValueError(
            f"the vectors are read by {', '.join(readers)} too, in layers of spaCy's that take "
            f"float32 alone: --dtype float32"
        )
    n_kept = vectors.shape[0] if keep_words is None else min(keep_words, vectors.shape[0])
    data = NumpyOps().to_numpy(vectors.data)[:n_kept].astype(dtype)
    if not np.isfinite(data).all():
        raise ValueError(f"its vectors have numbers that are too large for {dtype}.")
    rows = {key: row for key, row in vectors.key2row.items() if row < n_kept}
    strings = nlp.vocab.strings
    dropped = [strings[key] for key in vectors.key2row if key not in rows and key in strings]
    # Without keys, as several may share a row
    smaller = Vectors(strings=strings, data=data, name=vectors.name, attr=vectors.attr)
    for key, row in rows.items():
        smaller.add(key, row=row)
    nlp.vocab.vectors = smaller
    return dropped


def readers_of_float32(nlp: Language) -> list[str]:
    """Names of components whose layers multiply with the vectors as they are."""
    found = []
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        nodes = model.walk() if isinstance(model, Model) else ()
        if any(node.name in READERS_OF_FLOAT32 for node in nodes):
            found.append(name)
    return found


def save_without(nlp: Language, words: list[str], path: Path) -> None:
    """Save a pipeline without the strings of some words. What else needs them adds them again."""
    nlp.to_disk(path)
    labels = {label for _, pipe in nlp.pipeline for label in getattr(pipe, "labels", ())}
    gone: set[str] = set(words).difference(labels)
    file = path / "vocab" / "strings.json"
    srsly.write_json(file, [word for word in srsly.read_json(file) if word not in gone])
