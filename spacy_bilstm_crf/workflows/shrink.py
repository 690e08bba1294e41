"""Make the word vectors of a pipeline smaller: fewer words, fewer bits."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import srsly
from spacy.language import Language
from spacy.vectors import Mode, Vectors
from thinc.api import Model, NumpyOps

from ..common.errors import UserError, check_at_least, check_choice
from ..common.files import save_folder
from ..common.pipelines import load_pipeline, pipeline_name, save_pipeline
from ..data.corpus import Data, read_examples
from ..inference.recognizers import components_with_crf, entity_source_of
from .quality import Quality, quality_of_pipeline
from .risk_control import forget_control

Dtype = Literal["float32", "float16"]
# spaCy's layers that multiply with the vectors as they are
FLOAT32_LAYERS = ("static_vectors",)


class Shrunk(NamedTuple):
    """A pipeline with smaller word vectors, and what it was before.

    Attributes:
        nlp: The smaller pipeline.
        dropped: Words that have no vector any more.
        n_vectors: Number of vectors, before and after.
        before: Scores on the data before; None without data.
        after: Scores on the data after.
        megabytes_before: Size on disk of the pipeline that was given; None if it is not on disk.
        warnings: What no longer holds of the pipeline, in sentences.
    """

    nlp: Language
    dropped: list[str]
    n_vectors: tuple[int, int]
    before: Quality | None
    after: Quality | None
    megabytes_before: float | None
    warnings: list[str]

    def to_disk(self, folder: str | Path) -> float:
        """Save the pipeline without the strings of the dropped words, and check that it loads.

        All strings stay if a component is neither spaCy's nor this package's: it may need them.

        Args:
            folder: The folder; an existing one is replaced.

        Returns:
            Its size on disk in megabytes.

        Raises:
            UserError: If it can't be written or loaded. An existing folder is then unchanged.
        """
        save_folder(self._save, Path(folder))
        return _megabytes(Path(folder))

    def _save(self, folder: Path) -> None:
        save_pipeline(self.nlp, folder)
        if all(_knows_its_strings(pipe) for _, pipe in self.nlp.pipeline):
            used = {string for _, pipe in self.nlp.pipeline for string in _strings_of(pipe)}
            gone = set(self.dropped).difference(used)
            file = folder / "vocab" / "strings.json"
            srsly.write_json(file, [word for word in srsly.read_json(file) if word not in gone])
        load_pipeline(folder)


def _knows_its_strings(pipe: Any) -> bool:
    """Tell whether all strings that a component keeps as hashes alone are in its label data."""
    return type(pipe).__module__.partition(".")[0] in ("spacy", __name__.partition(".")[0])


def _strings_of(pipe: Any) -> Iterator[str]:
    """Yield the labels of a component, and the strings of a lemmatizer's edit trees."""
    yield from _strings_in([getattr(pipe, "labels", ()), getattr(pipe, "label_data", None)])


def _strings_in(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        yield from _strings_in([*data.keys(), *data.values()])
    elif isinstance(data, Iterable):
        for each in data:
            yield from _strings_in(each)


def shrink(
    pipeline: Language | str | Path,
    *,
    keep_words: int | None = None,
    dtype: Dtype = "float16",
    data: Data | None = None,
) -> Shrunk:
    """Keep the vectors of the most frequent words only, with fewer bits.

    Most tools write vectors in the order of their words' frequency, so the first ones are kept.
    Words of the training data are not affected: the component has its own vectors for them.

    Args:
        pipeline: The pipeline, its folder, or the name of an installed package. A loaded pipeline
            is changed.
        keep_words: Number of vectors to keep; None for all.
        dtype: Type of their numbers.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them, to score the
            pipeline before and after.

    Raises:
        UserError: If there is no such pipeline or data, there is nothing to shrink, or it can't be.
    """
    check_choice("--dtype", dtype, get_args(Dtype))
    check_at_least(1, keep_words=keep_words)
    nlp, name = load_pipeline(pipeline), pipeline_name(pipeline)
    examples = None if data is None else read_examples(data, nlp, entity_source_of(nlp, name))
    _check_shrinkable(nlp, name, keep_words, dtype)
    megabytes = _megabytes(nlp.path) if nlp.path and nlp.path.is_dir() else None
    n_before = len(nlp.vocab.vectors)
    before = None if examples is None else quality_of_pipeline(nlp, examples)
    dropped = _shrink_vectors(nlp, name, keep_words, dtype)
    after = None if examples is None else quality_of_pipeline(nlp, examples)
    warnings = [
        f"The recall that candidates_threshold of '{component.name}' was set for no longer holds, "
        f"since the probabilities have changed: run calibrate --recall on the result."
        for component in components_with_crf(nlp)
        if forget_control(nlp, component.name)
    ]
    n_vectors = (n_before, len(nlp.vocab.vectors))
    return Shrunk(nlp, dropped, n_vectors, before, after, megabytes, warnings)


def _check_shrinkable(nlp: Language, name: str, keep_words: int | None, dtype: str) -> None:
    vectors = nlp.vocab.vectors
    if not vectors.size:
        raise UserError(
            f"{name} can't be shrunk: it has no word vectors, so there is nothing to shrink."
        )
    if vectors.mode == Mode.floret:
        raise UserError(f"{name} can't be shrunk: its vectors are of parts of words (floret).")
    n_vectors = vectors.shape[0]
    if vectors.data.dtype == dtype and (keep_words is None or keep_words >= n_vectors):
        raise UserError(
            f"{name} can't be shrunk: it has {n_vectors:,} vectors of {dtype} already. Ask for "
            f"less, with --keep-words or --dtype."
        )
    readers = [] if dtype == "float32" else _float32_readers(nlp)
    if readers:
        raise UserError(
            f"{name} can't be shrunk: its vectors are also read by {', '.join(readers)}, in layers "
            f"of spaCy that support only float32: use --dtype float32."
        )


def _float32_readers(nlp: Language) -> list[str]:
    """Return the names of components whose layers multiply with the vectors as they are."""
    found = []
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        nodes = model.walk() if isinstance(model, Model) else ()
        if any(node.name in FLOAT32_LAYERS for node in nodes):
            found.append(name)
    return found


def _shrink_vectors(nlp: Language, name: str, keep_words: int | None, dtype: str) -> list[str]:
    """Replace a pipeline's vectors by smaller ones, and return the words that lose theirs."""
    vectors, strings = nlp.vocab.vectors, nlp.vocab.strings
    n_kept = vectors.shape[0] if keep_words is None else min(keep_words, vectors.shape[0])
    data = NumpyOps().to_numpy(vectors.data)[:n_kept].astype(dtype)
    if not np.isfinite(data).all():
        raise UserError(
            f"{name} can't be shrunk: its vectors have numbers that are too large for {dtype}."
        )
    rows = {key: row for key, row in vectors.key2row.items() if row < n_kept}
    # Without keys, since several may share a row
    smaller = Vectors(strings=strings, data=data, name=vectors.name, attr=vectors.attr)
    for key, row in rows.items():
        smaller.add(key, row=row)
    nlp.vocab.vectors = smaller
    return [strings[key] for key in vectors.key2row if key not in rows and key in strings]


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
