"""What was written, in numbers and by an example."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from spacy.tokens import Doc, Span

from ..entity_source import overlapping_entities
from .docs import PREDICTIONS, annotated_entities, in_spans
from .settings import DocSettings

# Of an example
TOKENS_BEFORE, MOST_TOKENS = 5, 16


@dataclass
class Contents:
    """What is in docs that were written.

    Attributes:
        n_docs: Number of docs.
        labels: Number of entities of each label.
        n_incorrect: Number of spans known to be no entity.
        n_predictions: Number of predicted entities.
        example: A part of the first doc that has entities, with these in brackets; "" if none has.
            If entities overlap, a part of the first doc in which they do.
        n_overlapping: Number of entities that overlap another.
        n_without_spans: Number of docs without entities in `doc.spans`, if they are to be there.
    """

    n_docs: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    n_incorrect: int = 0
    n_predictions: int = 0
    example: str = ""
    n_overlapping: int = 0
    n_without_spans: int = 0

    @property
    def n_entities(self) -> int:
        """Number of entities of all labels."""
        return sum(self.labels.values())

    def __str__(self) -> str:
        """Return it as a line, such as "2 docs, 3 entities (LOC 2, PER 1)"."""
        labels = ", ".join(f"{label} {n:,}" for label, n in self.labels.most_common())
        parts = [
            _counted(self.n_docs, "doc", "docs"),
            _counted(self.n_entities, "entity", "entities") + (f" ({labels})" if labels else ""),
        ]
        if self.n_overlapping:
            parts.append(f"{self.n_overlapping:,} of them overlap")
        if self.n_incorrect:
            parts.append(_counted(self.n_incorrect, "rejected span", "rejected spans"))
        if self.n_predictions:
            parts.append(_counted(self.n_predictions, "prediction", "predictions"))
        if self.n_without_spans:
            without = _counted(self.n_without_spans, "doc", "docs")
            parts.append(f"{without} without spans (not completely annotated)")
        return ", ".join(parts)

    def add(self, doc: Doc, settings: DocSettings) -> None:
        """Count what is in a doc."""
        entities = [span for span, _ in annotated_entities(doc, settings)]
        those = overlapping_entities(entities)
        if entities and (not self.example or (those and not self.n_overlapping)):
            self.example = _example(doc, entities, (those or entities)[0].start)
        self.n_docs += 1
        self.labels.update(span.label_ for span in entities)
        self.n_overlapping += len(those)
        self.n_without_spans += settings.keeps_overlaps and not in_spans(doc, settings)
        self.n_incorrect += len(doc.spans.get(settings.incorrect_spans_key, ()))
        self.n_predictions += len(doc.spans.get(PREDICTIONS, ()))


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _example(doc: Doc, entities: Sequence[Span], start: int) -> str:
    """The entities from a token on, and some tokens around them."""
    first = max(start - TOKENS_BEFORE, 0)
    end = max(span.end for span in entities if span.start <= start)
    last = min(max(first + MOST_TOKENS, end), len(doc))
    shown = [span for span in entities if first <= span.start and span.end <= last]
    starts = Counter(span.start for span in shown)
    ends: dict[int, str] = {}
    for span in sorted(shown, key=lambda span: span.start, reverse=True):  # inner ones end first
        ends[span.end - 1] = ends.get(span.end - 1, "") + f" {span.label_}]"
    parts = [
        "[" * starts[token.i] + token.text + ends.get(token.i, "") + token.whitespace_
        for token in doc[first:last]
    ]
    dots = "... " if first else "", " ..." if last < len(doc) else ""
    return f"{dots[0]}{' '.join(''.join(parts).split())}{dots[1]}"
