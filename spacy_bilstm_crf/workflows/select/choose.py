"""`select`: choose among texts, and suggest what the pipeline finds in them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...common.errors import UserError, check_at_least, check_choice
from ...common.files import reported_os_errors
from ...common.pipelines import load_pipeline
from ...data.corpus import (
    Data,
    predicted_docs,
    read_docs,
    texts_of,
)
from ...data.formats.docs import ID, META, PREDICTIONS, keep_predictions
from ...data.texts import DEFAULT_ID, Text
from ...inference.recognizers import component_with_crf, entity_source, recognizer_of
from ...pipeline.confidence import confidence
from .documents import STRATEGIES, best_documents, values
from .doubt import AGAIN, DoubtfulEntity, doubtful_entities
from .pool import Known, Pool
from .questions import best_questions
from .selection import Selection, Suggestion

_BATCH = 64  # docs


def select(
    pipeline: Language | str | Path,
    texts: str | Path | Iterable[str | Text | Doc],
    n: int = 100,
    *,
    strategy: str = "diverse",
    spans: bool = False,
    component: str = "ner",
    exclude: Data = (),
    text_key: str = "text",
    lines: bool = False,
    id_key: str = DEFAULT_ID,
) -> Selection:
    """Choose what to annotate next: that from which the model would learn most.

    Args:
        pipeline: A trained pipeline, its folder or the name of its package.
        texts: Texts to choose from, or a file or folder of them. Of texts that differ only in white
            space, only the first is considered.
        n: How many documents or questions to choose; fewer where there are no more.
        strategy: One of "entropy", "margin" and "diverse". Questions have no margin.
        spans: Whether to choose questions about single entities, to accept or reject, instead of
            documents. Each is a document of its own.
        component: The name of the `bilstm_crf_ner` component, or of a `bilstm_crf_spans`, whose
            tag sequences are those of each label: it has no margin, and no questions.
        exclude: Docs that are annotated already. The same texts are not chosen again. With `spans`,
            those of which only some tokens or spans are known may be, but for what is known.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text; otherwise the whole file is one.
        id_key: Key or column of the ids, which the documents keep.

    Returns:
        The documents.

    Raises:
        UserError: If an argument can't be used, or there is no text to choose.
    """
    check_choice("strategy", strategy, STRATEGIES)
    check_at_least(1, n=n)
    if spans and strategy == "margin":
        raise UserError("strategy margin: single entities have none, choose entropy or diverse.")
    nlp = load_pipeline(pipeline)
    if nlp is not pipeline:
        nlp.max_length = 10**9  # the limit is there for parsers
    name = str(pipeline) if nlp is not pipeline else "The pipeline"
    # Others have no tag sequences with the entities of all labels, and learn nothing from answers
    one_chain = spans or strategy == "margin"
    ner = (recognizer_of if one_chain else component_with_crf)(nlp, name, component)
    where = texts if isinstance(texts, str | Path) else "The data"
    with reported_os_errors(where):
        given = list(texts_of(texts, text_key, lines=lines, id_key=id_key))
    if not given:
        raise UserError(f"{where} contains no text.")
    known = Known(read_docs(exclude, nlp.vocab), ner, spans)
    pool = Pool.of(nlp, ner, given, known)
    if not pool.places:
        raise UserError(f"{where} contains only texts that are excluded.")
    chosen = _questions(pool, known, strategy, n) if spans else _documents(pool, strategy, n)
    return Selection(list(chosen), len(given))


def _documents(pool: Pool, strategy: str, n: int) -> Iterator[Suggestion]:
    found: dict[int, Any] = {}
    for places, docs, chains in pool.distributions():
        found.update(zip(places, values(strategy, docs, chains)))
    chosen = best_documents(strategy, found, n)
    source = entity_source(pool.ner)
    docs_of_chosen = (pool.texts[place].doc(pool.nlp) for place, _ in chosen)
    names = None
    if source.may_overlap:  # later components may change tokens, and leave `doc.spans` as they are
        names = pool.nlp.pipe_names[: pool.nlp.pipe_names.index(pool.ner.name) + 1]
    predicted = predicted_docs(pool.nlp, docs_of_chosen, names)
    for (place, score), doc in zip(chosen, predicted):
        ents = [
            (ent.start_char, ent.end_char, ent.label_, confidence(ent))
            for ent in source.entities(doc)
        ]
        yield _suggestion(pool, place, score, ents)


def _questions(pool: Pool, known: Known, strategy: str, n: int) -> Iterator[Suggestion]:
    possible: dict[int, list[DoubtfulEntity]] = {}
    for places, docs, chains in pool.distributions():
        of_docs = doubtful_entities(docs, chains)
        possible.update(zip(places, map(known.unknown_of, docs, of_docs)))
    again = AGAIN if strategy == "diverse" else 1.0
    for place, entity, value in best_questions(possible, n, again=again):
        about = (entity.start, entity.end, entity.label, entity.probability)
        yield _suggestion(pool, place, value, [about])


def _suggestion(
    pool: Pool, place: int, score: float, entities: Iterable[tuple[int, int, str, float | None]]
) -> Suggestion:
    """Suggest entities, given by their characters: other components merge or split tokens."""
    text = pool.texts[place]
    doc = text.doc(pool.nlp)
    # The tokens that an entity begins and ends in
    found = {
        cast(Span, doc.char_span(start, end, label=label, alignment_mode="expand")): probability
        for start, end, label, probability in entities
    }
    # Entities of parts of one token are in the same place now
    may_overlap = entity_source(pool.ner).may_overlap
    scored = [(span, found[span]) for span in (found if may_overlap else filter_spans(found))]
    keep_predictions(doc, PREDICTIONS, scored)
    if text.id is not None:
        doc.user_data[ID] = text.id
    doc.user_data[META] = {**text.meta, "score": round(score, 4)}
    return Suggestion(place, score, doc)
