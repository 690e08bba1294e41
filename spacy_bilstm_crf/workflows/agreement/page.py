"""The page of an agreement: tables, and the places at which annotators differ."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ...common.pages import render, text_window
from ..report.page import MarkedText, label_colors, marked_rows
from .disagreements import Disagreement
from .siding import Opinion

MODEL_ROW = "model"  # the row of what the pipeline finds


class ShownPlace(NamedTuple):
    """A place at which annotators differ, as the page shows it.

    Attributes:
        doc: The number of its text.
        id: The text's id, if it has one.
        labels: All labels that annotators give there.
        sides_with: With whom the model sides.
        texts: A row of text for each annotator, and for what the model finds.
    """

    doc: int
    id: str | None
    labels: list[str]
    sides_with: tuple[str, ...]
    texts: list[MarkedText]


def agreement_page(
    numbers: dict[str, Any],
    places: Sequence[Disagreement],
    found: Sequence[Opinion] | None,
) -> str:
    """Render the HTML page.

    Args:
        numbers: The content of the JSON file, and notes.
        places: The places at which annotators differ.
        found: A model's opinion of each; None if none was asked.
    """
    rows = DisagreementRows(numbers["labels"], places, found)
    return render(__package__, "agreement.html.jinja", agreement=numbers, rows=rows)


class DisagreementRows:
    """Texts with the entities of each annotator marked.

    Args:
        labels: All labels, which get their colours in this order.
        places: The places at which annotators differ.
        found: A model's opinion of each; None if none was asked.
    """

    def __init__(
        self,
        labels: Sequence[str],
        places: Sequence[Disagreement],
        found: Sequence[Opinion] | None,
    ) -> None:
        labels_found = {m.label for opinion in found or () for m in opinion.found}
        self._colors = label_colors([*labels, *sorted(labels_found - set(labels))])
        none: Sequence[Opinion | None] = [None] * len(places)
        self._places = list(zip(places, none if found is None else found))
        self.with_probabilities = any(
            p is not None for opinion in found or () for p in opinion.probabilities.values()
        )

    def of_kind(self, kind: str, most: int) -> list[ShownPlace]:
        """Return the first places of a kind."""
        of_kind = (each for each in self._places if each[0].kind == kind)
        return [self._shown(*each) for each in islice(of_kind, most)]

    def _shown(self, place: Disagreement, opinion: Opinion | None) -> ShownPlace:
        labels = sorted({m.label for version in place.versions.values() for m in version})
        sides_with = () if opinion is None else opinion.sides_with
        texts = list(self._rows(place, opinion))
        return ShownPlace(place.text.number, place.text.id, labels, sides_with, texts)

    def _rows(self, place: Disagreement, opinion: Opinion | None) -> Iterator[MarkedText]:
        text = place.text.text
        window = text_window(text, [place.offsets])
        for who, version in place.versions.items():
            hits = {(m.start_char, m.end_char, m.label) for m in version}
            mentions = place.text.annotations[who].mentions
            probability = None if opinion is None else opinion.probabilities[who]
            name = who if probability is None else f"{who} {probability:.2f}"
            yield from marked_rows(name, text, mentions, window, hits, self._colors)
        if opinion is not None:
            yield from marked_rows(MODEL_ROW, text, opinion.found, window, (), self._colors)
