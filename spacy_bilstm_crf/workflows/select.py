"""Choose the documents to annotate next: those from which the model would learn most.

- "entropy": the entropy of all tag sequences of a document (sequence entropy; Settles and Craven
  2008, equation 6, here over all sequences instead of the N best).
- "margin": how close the second best tag sequence comes to the best (Scheffer, Decomain and Wrobel
  2001).
- "diverse": the doubtful entities of a document, where each counts half as much for every time that
  the same words have been selected. The sum is submodular, so the greedy choice is near the best
  one (Nemhauser, Wolsey and Fisher 1978).
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans, minibatch

from ..batching import Distribution
from ..common.errors import UserError, check_at_least, check_choice
from ..common.files import check_file, check_folder, reported_os_errors, written_whole
from ..common.pipelines import load_pipeline
from ..data.corpus import (
    Data,
    before_component,
    doc_of_text,
    predicted_docs,
    read_docs,
    texts_of,
)
from ..data.formats import FORMATS, Findings, FormatSettings, check_replaceable, writable, write
from ..data.formats.docs import ID, META, PREDICTIONS, keep_predictions, predictions_of
from ..data.texts import DEFAULT_ID, Text
from ..decoding import candidate_entities, entropies, margins
from ..inference.recognizers import recognizer_of
from ..pipeline import BiLSTMCRFEntityRecognizer
from ..pipeline.confidence import confidence

STRATEGIES = ("entropy", "margin", "diverse")
# Less probable entities are hardly doubtful
LEAST_DOUBTFUL = 0.01
# What an entity still counts for when the same words have been selected once more
AGAIN = 0.5
_BATCH = 64  # docs


class Suggestion(NamedTuple):
    """A document to annotate.

    Attributes:
        place: Its place among the texts.
        score: Its value by the strategy; with "diverse", given those chosen before it.
        doc: The text, not annotated, with the entities that the pipeline finds under "predictions"
            in `doc.spans`.
    """

    place: int
    score: float
    doc: Doc


class Selection(NamedTuple):
    """The documents that `select` chose, the most valuable first.

    Attributes:
        suggestions: The documents.
        n_texts: The number of texts that they were chosen from.
    """

    suggestions: list[Suggestion]
    n_texts: int

    def to_disk(self, path: str | Path, *, target: str = "prodigy", text_key: str = "text") -> None:
        """Write the documents to a file or folder, which appears when it is complete.

        Args:
            path: The file, or the folder for a format that has folders.
            target: Its format, one of `data.formats.writable()`. If the format can't hold
                suggestions, they are written as annotation.
            text_key: Key of the text in JSON.

        Raises:
            UserError: If it can't be written.
        """
        path = Path(path)
        check_choice("target", target, writable())
        settings = FormatSettings(text_key=text_key, suffix=path.suffix.lower())
        docs = [one.doc for one in self.suggestions]
        if PREDICTIONS not in FORMATS[target].keeps:
            docs = [_as_annotated(doc) for doc in docs]
        with reported_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                write(docs, partial, target, settings, Findings())


def _as_annotated(doc: Doc) -> Doc:
    """Return a doc that has its suggestions as entities."""
    copy = doc.copy()
    copy.set_ents([span for span, _ in predictions_of(copy)])
    return copy


def check_output(output: Path, target: str, force: bool) -> None:
    """Check that a selection can be written, before any work is done for it.

    Args:
        output: The file or folder.
        target: The format.
        force: Whether an existing one may be replaced.

    Raises:
        UserError: If it may not, or something else is in its place.
    """
    if not FORMATS[target].is_folder:
        check_file(output, force)
        return
    check_folder(output, "name another folder")
    check_replaceable(output, FORMATS[target])
    if output.exists() and not force:
        raise UserError(f"{output} exists. Replace it with --force, or name another folder.")


def select(
    pipeline: Language | str | Path,
    texts: str | Path | Iterable[str | Text | Doc],
    n: int = 100,
    *,
    strategy: str = "diverse",
    component: str = "ner",
    exclude: Data = (),
    text_key: str = "text",
    lines: bool = False,
    id_key: str = DEFAULT_ID,
) -> Selection:
    """Choose the documents to annotate next: those from which the model would learn most.

    Args:
        pipeline: A trained pipeline, its folder or the name of its package.
        texts: Texts to choose from, or a file or folder of them. Of texts that differ only in white
            space, only the first is considered.
        n: How many to choose; fewer where there are no more.
        strategy: One of `STRATEGIES`.
        component: The name of the `bilstm_crf_ner` component.
        exclude: Docs that are annotated already: the same texts are not chosen again.
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
    nlp = load_pipeline(pipeline)
    if nlp is not pipeline:
        nlp.max_length = 10**9  # the limit is there for parsers
    ner = recognizer_of(nlp, str(pipeline) if nlp is not pipeline else "The pipeline", component)
    where = texts if isinstance(texts, str | Path) else "The data"
    with reported_os_errors(where):
        given = list(texts_of(texts, text_key, lines=lines, id_key=id_key))
    if not given:
        raise UserError(f"{where} contains no text.")
    seen = {_letters(doc.text) for doc in read_docs(exclude, nlp.vocab)}
    scored = _scored(nlp, ner, given, strategy, seen)
    if strategy == "diverse":
        chosen = _diverse(scored, n)
    else:
        chosen = heapq.nlargest(n, scored.items(), key=lambda item: (item[1], -item[0]))
    if not chosen:
        raise UserError(f"{where} contains only texts that are excluded.")
    return Selection(list(_suggestions(nlp, given, chosen)), len(given))


def _scored(
    nlp: Language, ner: BiLSTMCRFEntityRecognizer, texts: list[Text], strategy: str, seen: set[str]
) -> dict[int, Any]:
    """What a strategy says of each text, by its place, without those that were seen before."""
    score = {"entropy": _entropies, "margin": _closeness, "diverse": doubtful_words}[strategy]
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(_letters(text.text), place)
    new = [place for letters, place in first.items() if letters and letters not in seen]
    found: dict[int, Any] = {}
    for places in minibatch(new, _BATCH):
        docs = before_component(nlp, [doc_of_text(nlp, texts[place]) for place in places], ner.name)
        found.update(zip(places, score(docs, ner.distribution(docs))))
    return found


def _entropies(docs: Sequence[Doc], distribution: Distribution) -> Sequence[float]:
    return entropies(distribution)


def _closeness(docs: Sequence[Doc], distribution: Distribution) -> list[float]:
    """Of each doc, 1 minus the margin between its best two tag sequences."""
    return [1.0 - margin for margin in margins(distribution)]


def _letters(text: str) -> str:
    """A text without white space, to compare texts whatever their tokenizer."""
    return "".join(text.split())


def doubtful_words(docs: Sequence[Doc], distribution: Distribution) -> list[dict[str, float]]:
    """Return the words of each doc's possible entities, and how doubtful they are, in nats."""
    found = []
    candidates = candidate_entities(distribution, LEAST_DOUBTFUL, max_length=max(map(len, docs)))
    for doc, of_doc in zip(docs, candidates):
        doubts: dict[str, float] = {}
        for entity in of_doc:
            words = doc[entity.start : entity.end].text.lower()
            doubts[words] = doubts.get(words, 0.0) + _bernoulli_entropy(entity.probability)
        found.append(doubts)
    return found


def _bernoulli_entropy(p: float) -> float:
    return -sum(q * math.log(q) for q in (p, 1.0 - p) if q > 0.0)


def _diverse(doubts: dict[int, dict[str, float]], n: int) -> list[tuple[int, float]]:
    """The greedy choice. A doc's worth only falls, so not all are computed again each time."""
    times: Counter[str] = Counter()

    def worth(place: int) -> float:
        return sum(p * AGAIN ** times[words] for words, p in doubts[place].items())

    heap = [(-worth(place), place) for place in doubts]
    heapq.heapify(heap)
    chosen: list[tuple[int, float]] = []
    while heap and len(chosen) < n:
        _, place = heapq.heappop(heap)
        now = worth(place)
        if heap and now < -heap[0][0]:
            heapq.heappush(heap, (-now, place))
            continue
        chosen.append((place, now))
        times.update(doubts[place].keys())
    return chosen


def _suggestions(
    nlp: Language, texts: Sequence[Text], chosen: Sequence[tuple[int, float]]
) -> Iterator[Suggestion]:
    found = predicted_docs(nlp, (texts[place].doc(nlp) for place, _ in chosen))
    for (place, score), predicted in zip(chosen, found):
        text = texts[place]
        doc = text.doc(nlp)
        # By characters: later components may have merged or split tokens
        found_in = {_same_span(doc, ent): confidence(ent) for ent in predicted.ents}
        # Entities of parts of one token are in the same place now
        scored = [(span, found_in[span]) for span in filter_spans(found_in)]
        keep_predictions(doc, PREDICTIONS, scored)
        if text.id is not None:
            doc.user_data[ID] = text.id
        doc.user_data[META] = {**text.meta, "score": round(score, 4)}
        yield Suggestion(place, score, doc)


def _same_span(doc: Doc, ent: Span) -> Span:
    """Return the tokens of a doc that an entity of another doc with the same text is in."""
    start, end = ent.start_char, ent.end_char
    return cast(Span, doc.char_span(start, end, label=ent.label_, alignment_mode="expand"))
