"""What was written, in numbers and by an example."""

from collections import Counter
from dataclasses import dataclass, field

from spacy.tokens import Doc

from .docs import PREDICTIONS

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
    """

    n_docs: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    n_incorrect: int = 0
    n_predictions: int = 0
    example: str = ""

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
        if self.n_incorrect:
            parts.append(_counted(self.n_incorrect, "rejected span", "rejected spans"))
        if self.n_predictions:
            parts.append(_counted(self.n_predictions, "prediction", "predictions"))
        return ", ".join(parts)

    def add(self, doc: Doc, incorrect_spans_key: str) -> None:
        """Count what is in a doc."""
        self.n_docs += 1
        self.labels.update(ent.label_ for ent in doc.ents)
        self.n_incorrect += len(doc.spans.get(incorrect_spans_key, ()))
        self.n_predictions += len(doc.spans.get(PREDICTIONS, ()))
        if doc.ents and not self.example:
            self.example = _example(doc)


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _example(doc: Doc) -> str:
    first = max(doc.ents[0].start - TOKENS_BEFORE, 0)
    last = min(max(first + MOST_TOKENS, doc.ents[0].end), len(doc))
    shown = [ent for ent in doc.ents if ent.end <= last]
    starts = {ent.start for ent in shown}
    ends = {ent.end - 1: f" {ent.label_}]" for ent in shown}
    parts = [
        "[" * (token.i in starts) + token.text + ends.get(token.i, "") + token.whitespace_
        for token in doc[first:last]
    ]
    dots = "... " if first else "", " ..." if last < len(doc) else ""
    return f"{dots[0]}{' '.join(''.join(parts).split())}{dots[1]}"
