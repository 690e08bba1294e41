"""Which documents to annotate next: those from which the model would learn most.

- "entropy": the entropy of all tag sequences of a document (sequence entropy; Settles and Craven
  2008, equation 6, here over all sequences instead of the N best).
- "margin": how close the second best tag sequence comes to the best (Scheffer, Decomain and Wrobel
  2001).
- "diverse": the doubtful entities of a document, where each counts half as much for every time that
  the same words have been selected. The sum is submodular, so that the greedy choice is near the
  best one (Nemhauser, Wolsey and Fisher 1978).
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import minibatch

from ..batching import Distribution
from ..data.corpus import before_component
from ..data.formats.docs import ID, META, PREDICTIONS, keep_predictions
from ..data.texts import Text
from ..decoding import candidates_of, entropies, margins
from ..pipeline import BiLSTMCRFEntityRecognizer
from ..pipeline.confidence import confidence

STRATEGIES = ("entropy", "margin", "diverse")
BATCH = 64  # docs
# Less probable entities are hardly a doubt
LEAST_CANDIDATE = 0.01
# What an entity still counts for when the same words have been selected once more
AGAIN = 0.5


class Selected(NamedTuple):
    """A document to annotate.

    Attributes:
        place: Its place among the texts.
        score: How much it is worth, by the strategy; with "diverse" beside those before it.
    """

    place: int
    score: float


def select(
    nlp: Language,
    texts: Iterable[Text],
    n: int,
    strategy: str,
    component: str = "ner",
    known: Iterable[Doc] = (),
) -> list[Selected]:
    """Choose documents, the most valuable first.

    Args:
        nlp: The pipeline.
        texts: Texts to choose from. Of those with the same letters the first counts.
        n: How many to choose; fewer where there are no more.
        strategy: One of `STRATEGIES`.
        component: The name of the `bilstm_crf_ner` component.
        known: Documents that are annotated already: the same texts are not chosen again.
    """
    seen = {_letters(doc.text) for doc in known}
    if strategy == "diverse":
        return _diverse(_scored(nlp, texts, component, doubtful_words, seen), n)
    score = {"entropy": entropies, "margin": closeness}[strategy]
    scored = _scored(nlp, texts, component, lambda _, distribution: score(distribution), seen)
    best = heapq.nlargest(n, scored.items(), key=lambda item: (item[1], -item[0]))
    return [Selected(*item) for item in best]


def closeness(distribution: Distribution) -> list[float]:
    """Of each doc 1 less the margin between its best two tag sequences."""
    return [1.0 - margin for margin in margins(distribution)]


def _scored(
    nlp: Language,
    texts: Iterable[Text],
    component: str,
    score: Callable[[Sequence[Doc], Distribution], Sequence[Any]],
    seen: set[str],
) -> dict[int, Any]:
    """What a strategy says of each text, by its place, without those that were seen before."""
    ner = cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(component))
    found: dict[int, Any] = {}
    for batch in minibatch(_new_docs(nlp, texts, seen), BATCH):
        places, made = zip(*batch)
        docs = before_component(nlp, made, component)
        found.update(zip(places, score(docs, ner.distribution(docs))))
    return found


def _new_docs(nlp: Language, texts: Iterable[Text], seen: set[str]) -> Iterator[Any]:
    for place, text in enumerate(texts):
        letters = _letters(text.text)
        if letters and letters not in seen:
            seen.add(letters)
            yield place, text.doc(nlp)


def _letters(text: str) -> str:
    """A text without white space, so that another tokeniser makes no difference."""
    return "".join(text.split())


def doubtful_words(docs: Sequence[Doc], distribution: Distribution) -> list[dict[str, float]]:
    """Of each doc the words of possible entities, and how doubtful they are, in nats."""
    found = []
    candidates = candidates_of(distribution, LEAST_CANDIDATE, max_length=max(map(len, docs)))
    for doc, of_doc in zip(docs, candidates):
        doubts: dict[str, float] = {}
        for entity in of_doc:
            words = doc[entity.start : entity.end].text.lower()
            doubts[words] = doubts.get(words, 0.0) + _bernoulli_entropy(entity.probability)
        found.append(doubts)
    return found


def _bernoulli_entropy(p: float) -> float:
    return -sum(q * math.log(q) for q in (p, 1.0 - p) if q > 0.0)


def _diverse(doubts: dict[int, dict[str, float]], n: int) -> list[Selected]:
    """The greedy choice. What a doc is worth only falls, so the others need not be worked out."""
    times: dict[str, int] = {}

    def worth(place: int) -> float:
        return sum(p * AGAIN ** times.get(words, 0) for words, p in doubts[place].items())

    heap = [(-worth(place), place) for place in doubts]
    heapq.heapify(heap)
    chosen: list[Selected] = []
    while heap and len(chosen) < n:
        _, place = heapq.heappop(heap)
        now = worth(place)
        if heap and now < -heap[0][0]:
            heapq.heappush(heap, (-now, place))
            continue
        chosen.append(Selected(place, now))
        for words in doubts[place]:
            times[words] = times.get(words, 0) + 1
    return chosen


def suggestions(nlp: Language, texts: Sequence[Text], chosen: Sequence[Selected]) -> Iterator[Doc]:
    """The chosen documents, not annotated, with what the pipeline finds as predictions."""
    found = nlp.pipe(texts[one.place].doc(nlp) for one in chosen)
    for one, predicted in zip(chosen, found):
        doc = texts[one.place].doc(nlp)
        scored = [
            (Span(doc, ent.start, ent.end, label=ent.label_), confidence(ent))
            for ent in predicted.ents
        ]
        keep_predictions(doc, PREDICTIONS, scored)
        if texts[one.place].id is not None:
            doc.user_data[ID] = texts[one.place].id
        doc.user_data[META] = {**texts[one.place].meta, "score": round(one.score, 4)}
        yield doc
