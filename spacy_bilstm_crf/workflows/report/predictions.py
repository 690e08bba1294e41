"""The entities that pipelines find in annotated docs, to be compared with the annotation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...common.errors import UserError
from ...data.corpus import (
    Data,
    after_component,
    before_component,
    predicted_docs,
    unannotated,
)
from ...data.entity_source import EntitySource
from ...inference.candidates import LONGEST_CANDIDATE
from ...inference.recognizers import components_with_crf, entity_source
from ...pipeline.confidence import note_tokens
from ..risk_control import scored_docs
from .mentions import Compared, compared
from .slices import NamedSlices, known_names


class NumberedDoc(NamedTuple):
    """An annotated doc.

    Attributes:
        number: Its index in the data.
        doc: The doc.
        source: The file that it is from; "" if the data are one file.
    """

    number: int
    doc: Doc
    source: str


def numbered_docs(files: Sequence[tuple[str, Sequence[Doc]]]) -> list[NumberedDoc]:
    """Number the docs of all files.

    Args:
        files: The name of each file and its docs, as `data.corpus.read_files` returns them.
    """
    docs = [(doc, name if len(files) > 1 else "") for name, of_file in files for doc in of_file]
    return [NumberedDoc(number, doc, source) for number, (doc, source) in enumerate(docs)]


def compared_docs(
    name: str,
    nlp: Language,
    docs: Sequence[NumberedDoc],
    values: NamedSlices,
    where: EntitySource,
) -> list[Compared]:
    """Let a pipeline find entities in the texts of annotated docs.

    Args:
        name: What messages call the pipeline.
        nlp: The pipeline.
        docs: The annotated docs.
        values: The values of entities to score them by.
        where: Where the entities are.

    Returns:
        The entities of each doc that has annotation. If one component knows it, they have the
        probability of those that were not found as well.

    Raises:
        UserError: If the pipeline sets none.
    """
    found = list(_compared(name, nlp, docs, values, where))
    return _with_probabilities(nlp, {each.number: each.doc for each in docs}, found, where)


def _compared(
    name: str,
    nlp: Language,
    docs: Sequence[NumberedDoc],
    values: NamedSlices,
    where: EntitySource,
) -> Iterator[Compared]:
    """Yield the entities of each annotated doc, those of the annotation and those found."""
    texts = (unannotated(nlp, each.doc) for each in docs)
    is_annotated = False
    found_docs = _predicted(nlp, texts, where)
    for (number, gold, source), predicted in zip(docs, found_docs):
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
    nlp: Language, annotated: Mapping[int, Doc], docs: list[Compared], where: EntitySource
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


def check_slices(values: NamedSlices, docs: Sequence[Doc], data: Data) -> None:
    """Check that each name of a slice that a user gave had a value.

    Args:
        values: The names, after all entities were read.
        docs: The annotated docs.
        data: What they were read from, for the message.

    Raises:
        UserError: If one had none.
    """
    where = data if isinstance(data, str | Path) else "the data"
    for name in values.names:
        if name not in values.met:
            known = ", ".join(known_names(docs)) or "nothing"
            raise UserError(
                f"--slice {name}: no doc has it in its user_data, and no entity has it as an "
                f"extension. The user_data of {where} has: {known}."
            )
