"""The report of a pipeline, from loading it to the finished page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_package_version

from ...common.errors import UserError, check_installed
from ...common.files import write_files
from ...common.pages import as_frame, interval, percent
from ...common.pipelines import load_pipeline, pipeline_name
from ...data.corpus import Data, check_annotated, read_annotated, read_files, unannotated
from .contents import report_numbers
from .mentions import Compared, compared
from .page import report_page
from .slices import NamedSlices, known_names, seen_entities


@dataclass(frozen=True, repr=False)
class Report:
    """How good a pipeline is and where it fails. Notebooks display its page.

    Attributes:
        numbers: All numbers: dictionaries, lists, strings, numbers and None.
        html: The page, which needs nothing beside it.
    """

    numbers: dict[str, Any]
    html: str

    def __repr__(self) -> str:
        lines = []
        for name, title in (("precision", "precision"), ("recall", "recall"), ("f", "F")):
            score = self.numbers["overall"][name]
            if score["value"] is not None:
                lines.append(f"{title} {percent(score['value'])} ({interval(score)})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_frame(self.html)

    def to_disk(self, folder: str | Path) -> None:
        """Write `report.html` and `report.json` to a folder, over those that are there.

        Args:
            folder: The folder, which is made if it does not exist.

        Raises:
            UserError: If it can't be written.
        """
        numbers = srsly.json_dumps(self.numbers, indent=2)
        write_files(folder, {"report.json": numbers, "report.html": self.html})


def report(
    pipeline: Language | str | Path,
    data: Data,
    *,
    baseline: Language | str | Path | None = None,
    train: Data | None = None,
    slices: Sequence[str] = (),
) -> Report:
    """Measure how good a pipeline is, and show where it fails.

    Works with any pipeline that sets `doc.ents`. Docs without annotation are left out.

    Args:
        pipeline: A pipeline, its folder, or the name of an installed package.
        data: Annotated docs, a `.spacy` file, or a folder of such files.
        baseline: Another pipeline, to compare with on the same data.
        train: The training data, to tell seen entities from unseen ones.
        slices: Keys of `doc.user_data`, or names of extensions of docs or spans, to score entities
            by.

    Returns:
        The numbers and the page.

    Raises:
        UserError: If a pipeline or the data can't be used, saying what to do.
    """
    check_installed("report", "jinja2", "matplotlib")
    given = [pipeline] if baseline is None else [pipeline, baseline]
    pipelines = [load_pipeline(each) for each in given]
    names = [pipeline_name(each) for each in given]
    vocab = pipelines[0].vocab
    files = read_files(data, vocab)
    docs = [(doc, name if len(files) > 1 else "") for name, of_file in files for doc in of_file]
    check_annotated([doc for doc, _ in docs], data)
    seen = None if train is None else seen_entities(read_annotated(train, vocab))
    values = NamedSlices(slices)
    sides = [list(_compared(name, nlp, docs, values)) for name, nlp in zip(names, pipelines)]
    _check_slices(values, [doc for doc, _ in docs], _path(data) or "the data")
    ours, other = sides[0], None if baseline is None else sides[1]
    numbers = {
        "pipeline": names[0],
        "data": _path(data),
        "train": _path(train),
        "version": get_package_version("spacy-bilstm-crf"),
        "spacy_version": get_package_version("spacy"),
        "n_not_annotated": len(docs) - len(ours),
        **report_numbers(ours, other, seen),
    }
    if baseline is not None:
        numbers["baseline"] = {"pipeline": names[1], **numbers["baseline"]}
    return Report(numbers, report_page(numbers, ours, other))


def _path(data: Data | None) -> str | None:
    return str(data) if isinstance(data, str | Path) else None


def _compared(
    name: str, nlp: Language, docs: Sequence[tuple[Doc, str]], values: NamedSlices
) -> Iterator[Compared]:
    """Let a pipeline find entities in the texts of annotated docs.

    Args:
        name: The pipeline's name.
        nlp: The pipeline.
        docs: Annotated docs, each with the file that it is from.
        values: The values of entities to score them by.

    Raises:
        UserError: If it sets none.
    """
    texts = (unannotated(nlp, doc) for doc, _ in docs)
    is_annotated = False
    for number, ((gold, source), predicted) in enumerate(zip(docs, nlp.pipe(texts))):
        is_annotated = is_annotated or predicted.has_annotation("ENT_IOB")
        found = compared(number, gold, predicted, source, values)
        if found is not None:
            yield found
    if not is_annotated:
        raise UserError(
            f"{name} sets no entities (doc.ents): it has {', '.join(nlp.pipe_names) or 'nothing'}. "
            f"Name a pipeline with a component such as ner or bilstm_crf_ner."
        )


def _check_slices(values: NamedSlices, docs: Sequence[Doc], data: str) -> None:
    for name in values.names:
        if name not in values.met:
            known = ", ".join(known_names(docs)) or "nothing"
            raise UserError(
                f"--slice {name}: no doc has it in its user_data, and no entity has it as an "
                f"extension. The user_data of {data} has: {known}."
            )
