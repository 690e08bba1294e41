"""The core: a table of texts in, a table of their entities out. It knows of no engine."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ...common.errors import one_line
from ..entities import candidates_of, entities_of, no_recognizer, recognizer

ENTITY = pa.struct(
    [
        ("start", pa.int64()),  # characters, as Python counts them
        ("end", pa.int64()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float64()),
    ]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("entities", pa.list_(ENTITY)),
        ("n_tokens", pa.int64()),
        ("error", pa.string()),
    ]
)
CANDIDATES = pa.field("candidates", pa.list_(ENTITY))


class AnnotatorSettings(NamedTuple):
    """How a worker annotates.

    Attributes:
        pipeline: A folder, or the name of an installed package.
        candidates: Least probability of a candidate; None for no candidates.
        batch_size: Number of texts that go through the pipeline at once.
        max_length: Characters of the longest text; None for what the pipeline says.
        code: Python file with registered functions that the pipeline needs.
    """

    pipeline: str
    candidates: float | None = None
    batch_size: int = 128
    max_length: int | None = None
    code: str | None = None


class Annotator:
    """Annotates tables, with a pipeline that is loaded once.

    It can be sent to another process: the pipeline is loaded there, at the first table.

    Args:
        settings: What to annotate with.
    """

    def __init__(self, settings: AnnotatorSettings) -> None:
        if settings.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but is {settings.batch_size}.")
        self.settings = settings

    def __call__(self, table: pa.Table) -> pa.Table:
        """Annotate the column "text" of a table: see `annotate_table`."""
        return annotate_table(table, loaded(self.settings), self.settings)


@lru_cache(maxsize=1)
def loaded(settings: AnnotatorSettings) -> Language:
    """The pipeline, loaded once in a process, which works with one thread from then on.

    Raises:
        ValueError: If it can't be loaded, or knows no candidates and they are asked for.
    """
    torch.set_num_threads(1)  # workers share the cores
    try:
        if settings.code:
            util.import_file("python_code", settings.code)
        nlp = util.load_model(settings.pipeline)
    except Exception as error:  # a package that is no pipeline, or code, may raise anything
        raise ValueError(f"{settings.pipeline} can't be loaded: {one_line(error)}") from error
    if settings.max_length is not None:
        nlp.max_length = settings.max_length
    if settings.candidates is not None:
        ner = recognizer(nlp)
        if ner is None:
            raise ValueError(no_recognizer(nlp, settings.pipeline, "candidates"))
        ner.candidates_threshold = settings.candidates
        ner.candidates_key = ner.candidates_key or CANDIDATES.name
    return nlp


def schema(with_candidates: bool) -> pa.Schema:
    """The columns of what is annotated."""
    return SCHEMA.append(CANDIDATES) if with_candidates else SCHEMA


def annotate_table(table: pa.Table, nlp: Language, settings: AnnotatorSettings) -> pa.Table:
    """Find the entities of texts.

    Args:
        table: With the columns "id" and "text". If there is a column "error", rows that have one
            are handed on with it.
        nlp: The pipeline, as `loaded` gives it.
        settings: How to annotate.

    Returns:
        A row for each, in their order: "id"; "entities", each with start, end, text, label and
        confidence (None where the pipeline knows no probabilities); "n_tokens"; "error", which
        says why a text has no entities, or is None; and "candidates" if they were asked for.
    """
    texts = table.column("text").to_pylist()
    errors = (
        table.column("error").to_pylist() if "error" in table.column_names else [None] * len(texts)
    )
    rows: list[dict[str, Any]] = []
    for batch in minibatch(zip(texts, errors), settings.batch_size):
        rows += _rows(nlp, batch, settings.candidates is not None)
    for row, id_ in zip(rows, table.column("id").to_pylist()):
        row["id"] = None if id_ is None else str(id_)
    return pa.Table.from_pylist(rows, schema=schema(settings.candidates is not None))


def _rows(nlp: Language, batch: Sequence[Any], with_candidates: bool) -> list[dict[str, Any]]:
    errors = [error or _why_not(nlp, text) for text, error in batch]
    good = [text for (text, _), error in zip(batch, errors) if error is None]
    try:
        with nlp.memory_zone():
            found = iter([_row(nlp, doc, with_candidates) for doc in nlp.pipe(good)])
    except Exception:  # of one text, and the others are to have their entities
        found = (_alone(nlp, text, with_candidates) for text in good)
    return [next(found) if error is None else _failed(error) for error in errors]


def _why_not(nlp: Language, text: Any) -> str | None:
    if text is None:
        return "There is no text."
    if not isinstance(text, str):
        return f"The text is no string, but {type(text).__name__}."
    if len(text) > nlp.max_length:
        return f"The text has {len(text)} characters, and max_length is {nlp.max_length}."
    return None


def _alone(nlp: Language, text: str, with_candidates: bool) -> dict[str, Any]:
    try:
        with nlp.memory_zone():
            return _row(nlp, nlp(text), with_candidates)
    except Exception as error:  # whatever a component raises belongs to this text
        return _failed(f"{type(error).__name__}: {one_line(error)}")


def _failed(error: str) -> dict[str, Any]:
    return {"entities": None, "n_tokens": 0, "error": error, "candidates": None}


def _row(nlp: Language, doc: Doc, with_candidates: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "entities": entities_of(doc),
        "n_tokens": len(doc),
        "error": None,
    }
    if with_candidates:
        ner = recognizer(nlp)
        row["candidates"] = candidates_of(ner, doc) if ner else []
    return row


def folder_of(pipeline: str) -> Path:
    """The folder of a pipeline, which may be an installed package.

    Raises:
        OSError: If there is none.
    """
    if Path(pipeline).is_dir():
        return Path(pipeline)
    if not util.is_package(pipeline):
        raise OSError(f"There is no pipeline {pipeline}: name the folder model-best of a training.")
    return util.get_package_path(pipeline)
