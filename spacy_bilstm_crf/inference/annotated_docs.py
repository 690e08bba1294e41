"""Texts whose entities a person has annotated -> a .spacy file to train on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from ..data.entity_source import DOC_ENTS, EntitySource, overlapping_entities
from ..pipeline.corrections import CorrectionError
from .corrections import KnownSpan, TokenPlaces
from .recognizers import entity_source, labels_by_component

# Of each label of a pipeline: where docs have the entities that are annotated with it
SourcesOfLabels = Mapping[str, Sequence[EntitySource]]


class AnnotatedTokens(NamedTuple):
    """A text, its tokens and its entities.

    Attributes:
        text: The text.
        tokens: First character and end of each token. White space may be left out.
        entities: All entities of the text.
    """

    text: str
    tokens: Sequence[tuple[int, int]]
    entities: Sequence[KnownSpan]


def sources_of_labels(nlp: Language) -> SourcesOfLabels:
    """Return where the components of a pipeline look for annotated entities of each label."""
    found: dict[str, list[EntitySource]] = defaultdict(list)
    for name, labels in labels_by_component(nlp).items():
        source = entity_source(nlp.get_pipe(name))
        for label in labels:
            if source not in found[label]:
                found[label].append(source)
    return dict(found)


def docbin_of(texts: Iterable[AnnotatedTokens], sources: SourcesOfLabels) -> bytes:
    """Return a .spacy file of annotated texts.

    Args:
        texts: The texts, each completely annotated.
        sources: Where docs have the entities of each label, in `doc.ents` or `doc.spans`.

    Raises:
        CorrectionError: If an entity does not begin and end where tokens do, its label is unknown,
            or it overlaps another one in `doc.ents`.
    """
    vocab = Vocab()
    return DocBin(docs=[_doc(text, sources, vocab) for text in texts]).to_bytes()


def _doc(given: AnnotatedTokens, sources: SourcesOfLabels, vocab: Vocab) -> Doc:
    words = [given.text[start:end] for start, end in given.tokens]
    doc = Doc(vocab, *get_words_and_spaces(words, given.text))
    places = TokenPlaces(doc, given.text)
    every = {source for of_label in sources.values() for source in of_label}
    spans: dict[EntitySource, list[Span]] = {source: [] for source in every}
    for entity in dict.fromkeys(given.entities):
        if entity.label is None or entity.label not in sources:
            raise CorrectionError(
                f"{entity.start}-{entity.end} has a label that the pipeline does not know. It "
                f"knows: {', '.join(sorted(sources)) or 'none'}."
            )
        for source in sources[entity.label]:
            spans[source].append(places.span(entity))
    for source, of_source in spans.items():
        if source.spans_key is not None:
            doc.spans[source.spans_key] = of_source
    if DOC_ENTS in spans:
        _set_ents(doc, spans[DOC_ENTS])
    return doc


def _set_ents(doc: Doc, spans: list[Span]) -> None:
    overlapping = overlapping_entities(sorted(spans, key=lambda span: span.start))
    if overlapping:
        where = ", ".join(f"{span.start_char}-{span.end_char}" for span in overlapping[:2])
        raise CorrectionError(f"{where} overlap, which entities of doc.ents can't.")
    doc.set_ents(spans, default="outside")
