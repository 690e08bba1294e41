"""Where the entities of a doc are: in `doc.ents`, or in a group of `doc.spans`."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc, Span, Token

EntityKey = tuple[int, int, str]  # first token, token after the last, label


class EntitySource(NamedTuple):
    """Where docs have their entities, gold or predicted.

    Entities of `doc.ents` can't overlap, those of a group of `doc.spans` can.

    Attributes:
        spans_key: The key of the group. None for `doc.ents`.
    """

    spans_key: str | None = None

    def __str__(self) -> str:
        return "doc.ents" if self.spans_key is None else f"doc.spans[{self.spans_key!r}]"

    @property
    def may_overlap(self) -> bool:
        """Whether entities may overlap."""
        return self.spans_key is not None

    def is_annotated(self, doc: Doc) -> bool:
        """Tell whether a doc has annotation, even if only that there are no entities."""
        if self.spans_key is None:
            return bool(doc.has_annotation("ENT_IOB"))
        return self.spans_key in doc.spans

    def entities(self, doc: Doc) -> list[Span]:
        """Return the entities of a doc in the order of the text, each once."""
        if self.spans_key is None:
            return list(doc.ents)
        found: dict[EntityKey, Span] = {}
        for span in doc.spans.get(self.spans_key, ()):
            if len(span):
                found.setdefault((span.start, span.end, span.label_), span)
        return [found[key] for key in sorted(found)]

    def unannotated_tokens(self, doc: Doc) -> list[Token]:
        """Return the tokens that training takes as unknown: missing or blocked in `doc.ents`."""
        if self.spans_key is None:
            return [token for token in doc if not token.ent_iob_ or _is_blocked(token)]
        return [] if self.is_annotated(doc) else list(doc)


DOC_ENTS = EntitySource()


def _is_blocked(token: Token) -> bool:
    return token.ent_iob_ == "B" and not token.ent_type


def nesting_levels(spans: Sequence[Span]) -> dict[EntityKey, int]:
    """Tell how deep entities are nested in others of the same label.

    Entities are taken from the longest to the shortest: each is on the first level where it
    overlaps no other of its label.

    Args:
        spans: Entities of a doc.

    Returns:
        The level of each entity, from 1.
    """
    levels: dict[EntityKey, int] = {}
    n_tokens = max((span.end for span in spans), default=0)
    taken: dict[str, list[np.ndarray]] = {}  # the tokens on each level of each label
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        of_label = taken.setdefault(span.label_, [])
        tokens = slice(span.start, span.end)
        level = next((i for i, used in enumerate(of_label) if not used[tokens].any()), None)
        if level is None:
            level = len(of_label)
            of_label.append(np.zeros(n_tokens, dtype=bool))
        of_label[level][tokens] = True
        levels[span.start, span.end, span.label_] = level + 1
    return levels


def overlapping_entities(spans: Iterable[Span], *, of_same_label: bool = False) -> list[Span]:
    """Return the entities of a doc that share a token with another one.

    Args:
        spans: Distinct entities of a doc.
        of_same_label: Whether the other one must have the same label.
    """
    groups: dict[str, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.label_ if of_same_label else "", []).append(span)
    found = []
    for group in groups.values():
        n_entities = np.zeros(max(span.end for span in group), dtype=int)  # at each token
        for span in group:
            n_entities[span.start : span.end] += 1
        found += [span for span in group if n_entities[span.start : span.end].max() > 1]
    return found
