"""What a person has said about spans of a text: by characters, and by the tokens of a doc."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..data.texts import Text
from ..pipeline.base import TrainableCRF
from ..pipeline.corrections import CorrectionError
from ..pipeline.spans import BiLSTMCRFSpanRecognizer
from .offsets import OffsetMapping
from .recognizers import components_with_crf


class KnownSpan(NamedTuple):
    """A span of a text.

    Attributes:
        start: Its first character.
        end: The character after its last.
        label: Its label; None if no token of it is in an entity.
    """

    start: int
    end: int
    label: str | None = None


class TextCorrections(NamedTuple):
    """What is known about spans of a text.

    Attributes:
        fixed: Spans that are entities of their label.
        rejected: Spans that are no entities of their label or, without a label, have no token in an
            entity.
    """

    fixed: tuple[KnownSpan, ...] = ()
    rejected: tuple[KnownSpan, ...] = ()


def why_no_corrections(nlp: Language) -> str | None:
    """Say why the entities of a pipeline can't be corrected; None if they can."""
    components = components_with_crf(nlp)
    if len(components) != 1:
        n_components = len(components) or "no"
        return (
            f"the pipeline has {n_components} bilstm_crf_ner and bilstm_crf_spans components, not "
            f"one"
        )
    (component,) = components
    if isinstance(component, BiLSTMCRFSpanRecognizer) and component.levels > 1:
        return f"'{component.name}' has {component.levels} levels, not one"
    return None


class TokenPlaces:
    """Where the tokens of a doc are in the text that it was made of.

    Args:
        doc: The doc.
        text: The text.
    """

    def __init__(self, doc: Doc, text: str) -> None:
        self._doc = doc
        place = OffsetMapping(doc.text, text)
        # White space that the tokenizer has changed has no place
        numbers = [t.i for t in doc if doc.text == text or not t.is_space]
        ends = {i: doc[i].idx + len(doc[i]) for i in numbers}
        self.offsets = {i: place(doc[i].idx, ends[i]) for i in numbers}
        self._starts = {start: i for i, (start, _) in self.offsets.items()}
        self._ends = {end: i for i, (_, end) in self.offsets.items()}

    def span(self, known: KnownSpan) -> Span:
        """Return the tokens of a span.

        Raises:
            CorrectionError: If it does not begin and end where tokens do.
        """
        first, last = self._starts.get(known.start), self._ends.get(known.end)
        if first is None or last is None or first > last:
            touched = [
                (start, end)
                for start, end in self.offsets.values()
                if start < known.end and end > known.start
            ]
            there = f": its tokens are {touched[0][0]}-{touched[-1][1]}" if touched else ""
            raise CorrectionError(
                f"{known.start}-{known.end} does not begin and end where tokens do{there}."
            )
        return Span(self._doc, first, last + 1, label=known.label or "")


def corrected_spans(doc: Doc, text: str, known: TextCorrections) -> tuple[list[Span], list[Span]]:
    """Return fixed and rejected spans of a doc.

    Args:
        doc: The doc.
        text: The text that it was made of.
        known: What is known about spans of the text.

    Raises:
        CorrectionError: If a span does not begin and end where tokens do.
    """
    if not any(known):  # most texts have none, and the places of all tokens take time
        return [], []
    places = TokenPlaces(doc, text)
    return [places.span(span) for span in known.fixed], [places.span(s) for s in known.rejected]


def with_corrections(
    component: TrainableCRF,
    docs: Iterable[Doc],
    given: Iterable[tuple[Text, TextCorrections | None]],
) -> Iterator[Doc]:
    """Yield docs after a component has set their entities, given what is known of some spans.

    Args:
        component: The component.
        docs: The docs.
        given: The text that each was made of, and what is known about it.

    Raises:
        CorrectionError: If corrections don't fit the doc, or contradict one another.
    """
    for doc, (text, known) in zip(docs, given):
        fixed, rejected = corrected_spans(doc, text.text, known or TextCorrections())
        component.correct([doc], fixed=[fixed], rejected=[rejected])
        yield doc
