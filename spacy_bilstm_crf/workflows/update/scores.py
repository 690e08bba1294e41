"""How well a component finds the labels that it knew before and those that it learns."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from spacy.scorer import PRFScore
from spacy.training import Example
from spacy.util import minibatch

from ...pipeline import BiLSTMCRFEntityRecognizer

_BATCH = 128  # docs

LabelledTokens = tuple[int, int, str]  # first token, token after the last, label


class UpdateScores(NamedTuple):
    """Scores of a component on annotated docs.

    Attributes:
        known: F1 of the labels that the component had before, from 0 to 1; None without any.
        learned: F1 of the labels of the new data; None without any.
        found: Share of the entities of these that are found; None without any.
        overused: Share of docs without entities of the added labels in which one is found; None
            without such docs or labels.
    """

    known: float | None
    learned: float | None
    found: float | None
    overused: float | None


class LabelGroups(NamedTuple):
    """The labels of an update.

    Attributes:
        known: Those that the component had before.
        learned: Those of the new data.
        added: Those of the new data that the component did not have.
    """

    known: list[str]
    learned: list[str]
    added: list[str]


class Sample:
    """Examples to score a component on.

    Args:
        examples: The examples; their predicted docs have been through the components before.
    """

    def __init__(self, examples: Sequence[Example]):
        self.examples = list(examples)
        self._gold: list[set[LabelledTokens]] = []
        self._is_annotated: list[list[bool]] = []
        for example in examples:
            spans = example.get_aligned_spans_y2x(example.reference.ents)
            self._gold.append({(span.start, span.end, span.label_) for span in spans})
            self._is_annotated.append([bool(iob) for iob in example.get_aligned("ENT_IOB")])

    def __add__(self, other: "Sample") -> "Sample":
        return Sample([*self.examples, *other.examples])

    def scores(self, ner: BiLSTMCRFEntityRecognizer, labels: LabelGroups) -> UpdateScores:
        """Score a component on the tokens that are annotated."""
        known, learned = PRFScore(), PRFScore()
        n_without = n_overused = 0
        for gold, predicted in zip(self._gold, self._predicted(ner)):
            known.score_set(_of(predicted, labels.known), _of(gold, labels.known))
            learned.score_set(_of(predicted, labels.learned), _of(gold, labels.learned))
            if not _of(gold, labels.added):
                n_without += 1
                n_overused += bool(_of(predicted, labels.added))
        return UpdateScores(
            known.fscore if len(known) else None,
            learned.fscore if len(learned) else None,
            learned.recall if learned.tp + learned.fn else None,
            n_overused / n_without if n_without and labels.added else None,
        )

    def _predicted(self, ner: BiLSTMCRFEntityRecognizer) -> Iterator[set[LabelledTokens]]:
        docs = [example.predicted for example in self.examples]
        found = (of_doc for batch in minibatch(docs, _BATCH) for of_doc in ner.predict(batch))
        for of_doc, is_annotated in zip(found, self._is_annotated):
            yield {
                (start, end, ner.labels[label])
                for start, end, label, _ in of_doc.entities
                if all(is_annotated[start:end])
            }


def _of(spans: set[LabelledTokens], labels: Collection[str]) -> set[LabelledTokens]:
    return {span for span in spans if span[2] in labels}
