"""A table of texts in, a table of their entities out. It knows of no engine."""

from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
from spacy.util import minibatch

from ...common.errors import check_at_least
from ...common.pipelines import check_components, import_code, load_pipeline
from ...common.processes import use_one_thread
from ...data.texts import Text, problem_of
from ..annotated_text import AnnotatedText, FailedText
from ..annotator import Annotator, RequestSettings
from ..recognizers import require_crf, require_sampler

INTEGER, STRING = pa.int64(), pa.string()
# Characters are counted as Python does
SPAN = {"start": INTEGER, "end": INTEGER, "text": STRING, "label": STRING}
ENTITY_LIST = pa.list_(pa.struct({**SPAN, "confidence": pa.float64()}))
SCHEMA = pa.schema({"id": STRING, "entities": ENTITY_LIST, "n_tokens": INTEGER, "error": STRING})
CANDIDATES = pa.field("candidates", ENTITY_LIST)
SAMPLES = pa.field("samples", pa.list_(pa.list_(pa.struct(SPAN))))


class AnnotatorSettings(NamedTuple):
    """How a worker annotates.

    Attributes:
        pipeline: A folder, or the name of an installed package.
        candidates: Least probability of a candidate; None for no candidates.
        batch_size: Number of texts that go through the pipeline at once.
        max_length: Characters of the longest text; None for what the pipeline says.
        code: Python file with registered functions that the pipeline needs.
        samples: Number of tag sequences to draw for each text; None for none.
        seed: Seed of the samples. Those of a text depend on it, on the text and on its id.
    """

    pipeline: str
    candidates: float | None = None
    batch_size: int = 128
    max_length: int | None = None
    code: str | None = None
    samples: int | None = None
    seed: int = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns that annotation has."""
        schema = SCHEMA if self.candidates is None else SCHEMA.append(CANDIDATES)
        return schema if self.samples is None else schema.append(SAMPLES)


class TableAnnotator:
    """Annotates tables of texts, with a pipeline that is loaded once in a process.

    It can be sent to another process: the pipeline is loaded there, at the first table.

    Args:
        settings: What to annotate with.

    Raises:
        UserError: If the batch size or the number of samples is less than 1.
    """

    def __init__(self, settings: AnnotatorSettings) -> None:
        check_at_least(1, batch_size=settings.batch_size, samples=settings.samples)
        self.settings = settings

    def __call__(self, table: pa.Table) -> pa.Table:
        """Find the entities of texts.

        Args:
            table: With the columns "id" and "text". "words" and "error" may be there, as
                `read_part` gives them: rows that have an error are handed on with it.

        Returns:
            A row for each, in order: "id"; "entities", each with start, end, text, label and
            confidence (None where the pipeline knows no probabilities); "n_tokens"; "error", which
            says why a text has no entities, or is None; and "candidates" and "samples" if they
            were asked for. A sample is the entities of a tag sequence that was drawn by its
            probability. Rows with the same id and text have the same samples.

        Raises:
            UserError: If the pipeline can't be loaded, or knows no candidates or samples and they
                are asked for.
        """
        annotator, settings = load_annotator(self.settings), self.settings
        wanted = RequestSettings(
            candidates=settings.candidates, samples=settings.samples, seed=settings.seed
        )
        used = [name for name in ("id", "text", "words", "error") if name in table.column_names]
        rows: list[dict[str, Any]] = []
        for batch in minibatch(table.select(used).to_pylist(), settings.batch_size):
            errors = [row.get("error") or problem_of(row["text"]) for row in batch]
            texts = [
                Text(row["text"], _id(row), words=row.get("words"))
                for row, error in zip(batch, errors)
                if error is None
            ]
            found = iter(annotator(texts, wanted))
            rows += [
                _row(_id(row), next(found) if error is None else error)
                for row, error in zip(batch, errors)
            ]
        return pa.Table.from_pylist(rows, schema=settings.schema)


def _id(row: dict[str, Any]) -> str | None:
    return None if row["id"] is None else str(row["id"])


def _row(id_: str | None, found: AnnotatedText | FailedText | str) -> dict[str, Any]:
    if isinstance(found, AnnotatedText):
        row = {**found._asdict(), "error": None}
    else:
        error = found.reason if isinstance(found, FailedText) else found
        row = {"n_tokens": 0, "error": error}
    return {**row, "id": id_}


@lru_cache(maxsize=1)
def load_annotator(settings: AnnotatorSettings) -> Annotator:
    """Load a pipeline, once in a process, which works with one thread from then on.

    Raises:
        UserError: If it can't be loaded, has no components, or knows no candidates or samples and
            they are asked for.
    """
    use_one_thread()
    import_code(settings.code)
    nlp = load_pipeline(settings.pipeline)
    check_components(nlp, settings.pipeline)
    if settings.max_length is not None:
        nlp.max_length = settings.max_length
    if settings.candidates is not None:
        require_crf(nlp, settings.pipeline, "candidates")
    if settings.samples is not None:
        require_sampler(nlp, settings.pipeline)
    return Annotator(nlp)
