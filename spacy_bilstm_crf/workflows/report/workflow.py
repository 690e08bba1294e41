"""The report of a pipeline, from loading it to the finished page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import get_package_version

from ...common.errors import UserError, check_installed
from ...common.files import write_files
from ...common.pages import as_frame, interval, percent
from ...common.pipelines import load_pipeline, pipeline_name
from ...data.corpus import (
    Data,
    after_component,
    before_component,
    check_annotated,
    predicted_docs,
    read_annotated,
    read_files,
    unannotated,
)
from ...data.entity_source import EntitySource
from ...inference.candidates import LONGEST_CANDIDATE
from ...inference.recognizers import components_with_crf, entity_source, entity_source_of
from ...pipeline.confidence import note_tokens
from ..risk_control import scored_docs
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
    files = read_files(data, vocab)
    docs = [(doc, name if len(files) > 1 else "") for name, of_file in files for doc in of_file]
    where = entity_source_of(pipelines[0], names[0], spans_key)
    check_annotated([doc for doc, _ in docs], data, where)
    seen = None if train is None else seen_entities(read_annotated(train, vocab, where), where)
    values = NamedSlices(slices)
    annotated = [doc for doc, _ in docs]
    sides = [
        _with_probabilities(nlp, annotated, list(_compared(name, nlp, docs, values, where)), where)
        for name, nlp in zip(names, pipelines)
    ]
    _check_slices(values, annotated, _path(data) or "the data")
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


def _compared(
    name: str,
    nlp: Language,
    docs: Sequence[tuple[Doc, str]],
    values: NamedSlices,
    where: EntitySource,
) -> Iterator[Compared]:
    """Let a pipeline find entities in the texts of annotated docs.

    Args:
        name: The pipeline's name.
        nlp: The pipeline.
        docs: Annotated docs, each with the file that it is from.
        values: The values of entities to score them by.
        where: Where the entities are.

    Raises:
        UserError: If it sets none.
    """
    texts = (unannotated(nlp, doc) for doc, _ in docs)
    is_annotated = False
    found_docs = _predicted(nlp, texts, where)
    for number, ((gold, source), predicted) in enumerate(zip(docs, found_docs)):
        is_annotated = is_annotated or where.is_annotated(predicted)
        found = compared(number, gold, predicted, source, values, where)
        if found is not None:
            yield found
    if not is_annotated and where.may_overlap:
        raise UserError(
            f"{name} sets no {where}: it has {', '.join(nlp.pipe_names) or 'nothing'}. Name a "
            f"pipeline with a bilstm_crf_spans or spancat of that spans_key, or another key with "
            f"--spans-key."
        )
    if not is_annotated:
        raise UserError(
            f"{name} sets no entities (doc.ents): it has {', '.join(nlp.pipe_names) or 'nothing'}. "
            f"Name a pipeline with a component such as ner or bilstm_crf_ner."
        )


def _predicted(nlp: Language, docs: Iterator[Doc], where: EntitySource) -> Iterator[Doc]:
    """Run a pipeline, and note for how many tokens the group of entities was made.

    Ours has that number already; without it, spans whose tokens were merged pass for others.
    """
    if where.spans_key is None:
        return predicted_docs(nlp, docs)
    for name in nlp.pipe_names:
        docs = _noted(after_component(nlp, docs, name), where.spans_key)
    return predicted_docs(nlp, docs, ())


def _noted(docs: Iterable[Doc], spans_key: str) -> Iterator[Doc]:
    for doc in docs:
        if spans_key in doc.spans:
            note_tokens(doc.spans[spans_key])
        yield doc


def _with_probabilities(
    nlp: Language, annotated: Sequence[Doc], docs: list[Compared], where: EntitySource
) -> list[Compared]:
    """Add the probabilities of entities that were not found, if one component knows them.

    Args:
        nlp: The pipeline.
        annotated: All annotated docs, by their numbers.
        docs: The compared docs.
        where: Where the entities are.
    """
    found = [pipe for pipe in components_with_crf(nlp) if entity_source(pipe) == where]
    if len(found) != 1:
        return docs
    places = [i for i, doc in enumerate(docs) if _not_found(doc)]
    gold = [annotated[docs[i].number] for i in places]
    made = before_component(nlp, [unannotated(nlp, doc) for doc in gold], found[0].name)
    examples = map(Example, made, gold)
    for i, scored in zip(places, scored_docs(found[0], examples, LONGEST_CANDIDATE)):
        missed = _not_found(docs[i])
        known = tuple(
            mention._replace(probability=p) if mention.key in missed else mention
            for mention, (_, p) in zip(docs[i].gold, scored.gold)
        )
        docs[i] = docs[i]._replace(gold=known)
    return docs


def _not_found(doc: Compared) -> set[tuple[int, int, str]]:
    return {each.key for each in doc.gold} - {each.key for each in doc.predicted}


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


def _check_slices(values: NamedSlices, docs: Sequence[Doc], data: str) -> None:
    for name in values.names:
        if name not in values.met:
            known = ", ".join(known_names(docs)) or "nothing"
            raise UserError(
                f"--slice {name}: no doc has it in its user_data, and no entity has it as an "
                f"extension. The user_data of {data} has: {known}."
            )
