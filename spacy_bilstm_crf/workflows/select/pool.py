"""The texts that `select` chooses from, without what is annotated already."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ...data.corpus import before_component, doc_of_text, letters
from ...data.formats.settings import DocSettings
from ...data.texts import Text
from ...inference.recognizers import chains_of
from ...pipeline.base import TrainableCRF
from .doubt import Chain, DoubtfulEntity

_BATCH = 64  # docs


class Known:
    """What is annotated already.

    Texts, and the places in them, are those without white space.

    Attributes:
        texts: Texts that are not chosen again.
        tokens: Of other texts, the characters of which it is known what they are.
        wrong: Of these texts, the spans that are known to be no entities.
    """

    def __init__(self, docs: Iterable[Doc], ner: TrainableCRF, spans: bool) -> None:
        """Look at what docs say.

        Args:
            docs: The docs.
            ner: The component, which knows under which key spans are that are no entities.
            spans: Whether what is not known of a doc may be asked. If not, all docs are excluded.
        """
        self.texts: set[str] = set()
        self.tokens: dict[str, set[int]] = defaultdict(set)
        self.wrong: dict[str, set[tuple[int, int, str]]] = defaultdict(set)
        key = ner.incorrect_spans_key or DocSettings().incorrect_spans_key
        for doc in docs:
            text = letters(doc.text)
            if not spans or all(token.ent_iob for token in doc):
                self.texts.add(text)
                continue
            before = _letters_before(doc.text)
            for token in doc:
                if token.ent_iob:
                    end = token.idx + len(token)
                    self.tokens[text].update(range(before[token.idx], before[end]))
            for span in doc.spans.get(key, ()):
                place = before[span.start_char], before[span.end_char]
                self.wrong[text].add((*place, span.label_))

    def unknown_of(self, doc: Doc, found: list[DoubtfulEntity]) -> list[DoubtfulEntity]:
        """Return the possible entities of a doc of which it is not known whether they are some."""
        text = letters(doc.text)
        tokens, wrong = self.tokens.get(text, set()), self.wrong.get(text, set())
        if not tokens and not wrong:
            return found
        before = _letters_before(doc.text)
        places = [(before[one.start], before[one.end]) for one in found]
        return [
            one
            for one, place in zip(found, places)
            if tokens.isdisjoint(range(*place)) and (*place, one.label) not in wrong
        ]


class Pool(NamedTuple):
    """Texts to choose from, and the pipeline that is asked about them.

    Attributes:
        nlp: The pipeline.
        ner: Its component.
        texts: All texts.
        places: Places of those to choose from: the first of texts that are alike, without those
            that are known or have no words.
    """

    nlp: Language
    ner: TrainableCRF
    texts: Sequence[Text]
    places: list[int]

    @classmethod
    def of(cls, nlp: Language, ner: TrainableCRF, texts: Sequence[Text], known: Known) -> "Pool":
        """Find the texts to choose from."""
        first: dict[str, int] = {}
        for place, text in enumerate(texts):
            first.setdefault(letters(text.text), place)
        new = [place for words, place in first.items() if words and words not in known.texts]
        return cls(nlp, ner, texts, new)

    def distributions(self) -> Iterator[tuple[list[int], list[Doc], list[Chain]]]:
        """Yield batches of places, their docs, and the distributions over their tag sequences."""
        for places in minibatch(self.places, _BATCH):
            made = [doc_of_text(self.nlp, self.texts[place]) for place in places]
            docs = before_component(self.nlp, made, self.ner.name)
            of_labels = chains_of(self.ner, docs)
            yield places, docs, [(labels, each) for labels, levels in of_labels for each in levels]


def _letters_before(text: str) -> list[int]:
    """Return how many characters other than white space there are before each place of a text."""
    return list(accumulate((not character.isspace() for character in text), initial=0))
