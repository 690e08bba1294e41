"""The report of a pipeline, from loading it to the finished page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.util import get_package_version

from ...common.errors import check_installed
from ...common.files import write_files
from ...common.pages import as_frame, interval, percent
from ...common.pipelines import load_pipeline, pipeline_name
from ...data.corpus import Data, check_annotated, read_annotated, read_files
from ...inference.recognizers import entity_source_of
from .contents import report_numbers
from .page import report_page
from .predictions import check_slices, compared_docs, numbered_docs
from .slices import NamedSlices, seen_entities


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
        overall, n_docs = self.numbers["overall"], self.numbers["n_docs"]
        lines = [] if overall["predicted"] else [f"No entity was found in {n_docs:,} docs."]
        for name, title in (("precision", "precision"), ("recall", "recall"), ("f", "F")):
            score = overall[name]
            if score["value"] is not None:
                lines.append(f"{title} {percent(score['value'])} ({interval(score)})")
        return "\n".join([*lines, *self._of_baseline(), *self._of_missing_labels()])

    def _of_baseline(self) -> Iterator[str]:
        baseline = self.numbers["baseline"]
        f = None if baseline is None else baseline["overall"]["f"]
        if f is not None and f["value"] is not None:
            yield f"baseline: F {percent(f['value'])} ({interval(f)})"
            gain = baseline["difference"]["overall"]["f"]
            if gain["value"] is not None:
                value = f"{100 * gain['value']:+.1f}"
                yield f"difference: F {value} ({interval(gain)}), p = {gain['p']:.3f}"

    def _of_missing_labels(self) -> Iterator[str]:
        for label, n in self.numbers["missing_labels"].items():
            yield (
                f"{label}: no component has this label, so all of its entities ({n:,}) are missed. "
                f"Train the pipeline with it, or take it out of the data."
            )

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
    spans_key: str | None = None,
) -> Report:
    """Measure how good a pipeline is, and show where it fails.

    Works with any pipeline that sets `doc.ents`, or a group of `doc.spans`. Docs without annotation
    are left out.

    Args:
        pipeline: A pipeline, its folder, or the name of an installed package.
        data: Annotated docs, a `.spacy` file, or a folder of such files.
        baseline: Another pipeline, to compare with on the same data.
        train: The training data, to tell seen entities from unseen ones.
        slices: Keys of `doc.user_data`, or names of extensions of docs or spans, to score entities
            by.
        spans_key: Key in `doc.spans` of the entities, gold and predicted. Default: `doc.ents` if a
            component sets them, or else the key of the pipeline's `bilstm_crf_spans` or `spancat`.

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
    docs = numbered_docs(read_files(data, vocab))
    annotated = [each.doc for each in docs]
    where = entity_source_of(pipelines[0], names[0], spans_key)
    check_annotated(annotated, data, where)
    seen = None if train is None else seen_entities(read_annotated(train, vocab, where), where)
    values = NamedSlices(slices)
    sides = [compared_docs(name, nlp, docs, values, where) for name, nlp in zip(names, pipelines)]
    check_slices(values, annotated, data)
    ours, other = sides[0], None if baseline is None else sides[1]
    numbers = {
        "pipeline": names[0],
        "data": _path(data),
        "train": _path(train),
        "version": get_package_version("spacy-bilstm-crf"),
        "spacy_version": get_package_version("spacy"),
        "n_not_annotated": len(docs) - len(ours),
        **report_numbers(ours, other, seen, where),
    }
    numbers["missing_labels"] = _missing_labels(pipelines[0], numbers["by_label"])
    if baseline is not None:
        numbers["baseline"] = {"pipeline": names[1], **numbers["baseline"]}
    return Report(numbers, report_page(numbers, ours, other))


def _path(data: Data | None) -> str | None:
    return str(data) if isinstance(data, str | Path) else None


def _missing_labels(nlp: Language, by_label: Mapping[str, Any]) -> dict[str, int]:
    """Return the labels that no component has, and the number of entities of each.

    Components need not name their labels, so a label that was found all the same is not missing.
    """
    known = {label for labels in nlp.pipe_labels.values() for label in labels}
    return {
        label: of_label["gold"]
        for label, of_label in by_label.items()
        if known and label not in known and not of_label["predicted"]
    }
